"""A server made with the Python SDK 2.x that speaks both eras, over stdio or Streamable HTTP."""

import argparse
import asyncio
from typing import Annotated

from mcp.server.mcpserver import Context, Elicit, ListRoots, MCPServer, Resolve, Sample
from mcp_types import CreateMessageResult, ListRootsResult, SamplingMessage, TextContent
from pydantic import BaseModel

server = MCPServer("python-2", version="2.3.0")


class Person(BaseModel):
    name: str
    age: int


def ask_person():
    return Elicit("Who are you?", Person)


def ask_model(question: str):
    return Sample([SamplingMessage(role="user", content=TextContent(type="text", text=question))], max_tokens=10)


def ask_roots():
    return ListRoots()


@server.tool()
def add(a: int, b: int) -> int:
    """The sum, as structured content."""
    return a + b


@server.tool()
def greet_user(person: Annotated[Person, Resolve(ask_person)]) -> str:
    """Elicits a name and an age, then greets."""
    return f"hello {person.name}, {person.age}"


@server.tool()
def ask(question: str, reply: Annotated[CreateMessageResult, Resolve(ask_model)]) -> str:
    """Puts the question to the client's model."""
    return reply.content.text


@server.tool()
def roots(found: Annotated[ListRootsResult, Resolve(ask_roots)]) -> str:
    """The addresses of the client's roots."""
    return " ".join(str(root.uri) for root in found.roots)


@server.tool()
async def count(to: int, ctx: Context) -> str:
    """Reports progress at each step, and says so in the log."""
    for step in range(1, to + 1):
        await ctx.report_progress(step, to, f"step {step}")
        await ctx.info(f"step {step}")
    return f"counted to {to}"


@server.tool()
async def wait(seconds: float) -> str:
    """Answers late, for calls that are to be cancelled."""
    await asyncio.sleep(seconds)
    return "waited"


@server.tool()
async def touch(ctx: Context) -> str:
    """Says that the note and the list of tools changed."""
    await ctx.notify_resource_updated("note://one")
    await ctx.notify_tools_changed()
    return "touched"


@server.resource("note://one")
def note() -> str:
    """A resource that never changes."""
    return "the first note"


@server.prompt()
def greeting(name: str) -> str:
    """A prompt with one argument."""
    return f"Greet {name}."


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http", type=int, metavar="PORT", help="0 picks a free one, told on standard error")
    port = parser.parse_args().http
    if port is None:
        server.run("stdio")
    else:
        server.run("streamable-http", port=port)
