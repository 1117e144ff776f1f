"""A server made with the Python SDK 2.x that speaks both eras, over stdio or Streamable HTTP."""

import argparse
import asyncio
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver import Context, Elicit, ListRoots, MCPServer, Resolve, Sample
from mcp.shared.exceptions import MCPError
from mcp_types import Completion, CreateMessageResult, ListRootsResult, SamplingMessage, TextContent
from pydantic import BaseModel

server = MCPServer("python-2", version="2.3.0")
given_up = set()


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
def fail() -> str:
    """A tool that runs and fails."""
    raise ToolError("it went wrong")


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
def survey(
    question: str,
    person: Annotated[Person, Resolve(ask_person)],
    reply: Annotated[CreateMessageResult, Resolve(ask_model)],
    found: Annotated[ListRootsResult, Resolve(ask_roots)],
) -> str:
    """Asks the person, the model and for the roots, all for one call."""
    return f"{person.name}; {reply.content.text}; {found.roots[0].uri}"


@server.tool()
async def count(to: int, ctx: Context, pause: float = 0) -> str:
    """Reports progress at each step, and says so in the log."""
    for step in range(1, to + 1):
        await ctx.report_progress(step, to, f"step {step}")
        await ctx.info(f"step {step}")
        await asyncio.sleep(pause)
    return f"counted to {to}"


@server.tool()
async def wait(seconds: float, name: str = "") -> str:
    """Answers late, for calls that are to be cancelled."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        given_up.add(name)
        raise
    return "waited"


@server.tool()
async def was_cancelled(name: str) -> str:
    """Whether a wait of that name was given up."""
    return "yes" if name in given_up else "no"


@server.tool()
async def touch(ctx: Context) -> str:
    """Says that the note and the list of tools changed."""
    await ctx.notify_resource_updated("note://one")
    await ctx.notify_tools_changed()
    if ctx.request_context.protocol_version != "2026-07-28":
        await ctx.session.send_tool_list_changed()
    return "touched"


@server.resource("note://one")
def note() -> str:
    """A resource that never changes."""
    return "the first note"


@server.resource("note://by/{author}")
def note_by(author: str) -> str:
    """A resource of a template."""
    return f"a note by {author}"


@server.prompt()
def greeting(name: str) -> str:
    """A prompt with one argument."""
    return f"Greet {name}."


@server.completion()
async def names(_ref, argument, _context):
    """The known names that begin with what is there."""
    known = ["Ann", "Anna", "Bob"]
    return Completion(values=[name for name in known if name.startswith(argument.value)])


async def without_handshake(ctx, call_next):
    """Refuses the handshake, as a server does that never had one."""
    if ctx.method == "initialize":
        supported = {"supported": ["2026-07-28"], "requested": (ctx.params or {}).get("protocolVersion")}
        raise MCPError(-32022, "Unsupported protocol version", supported)
    return await call_next(ctx)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http", type=int, metavar="PORT", help="0 picks a free one, told on standard error")
    parser.add_argument("--modern", action="store_true", help="2026-07-28 and nothing else")
    args = parser.parse_args()
    if args.modern:
        server.middleware.append(without_handshake)
    if args.http is None:
        server.run("stdio")
    else:
        server.run("streamable-http", port=args.http)
