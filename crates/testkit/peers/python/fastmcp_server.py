"""A server made with FastMCP 4.x that speaks both eras, over stdio or Streamable HTTP."""

import argparse
import asyncio
import socket
import sys

from fastmcp import Context, FastMCP
from fastmcp.exceptions import ToolError
from mcp_types import (
    Completion,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    TextContent,
    ToolListChangedNotification,
)
from pydantic import BaseModel

server = FastMCP("fastmcp", version="4")
given_up = set()


class Person(BaseModel):
    name: str
    age: int


def message(question):
    return SamplingMessage(role="user", content=TextContent(type="text", text=question))


async def asked(ctx, question, names):
    """The answers by name, or what asks for them; in the older era the client is asked on the way."""
    modern = ctx.request_context.protocol_version == "2026-07-28"
    if not modern:
        answers = {}
        if "person" in names:
            answers["person"] = (await ctx.elicit("Who are you?", Person)).data
        if "reply" in names:
            answers["reply"] = await ctx.session.create_message([message(question)], max_tokens=10)
        if "roots" in names:
            answers["roots"] = await ctx.session.list_roots()
        return answers, None
    if ctx.input_responses is not None:
        answers = dict(ctx.input_responses)
        if "person" in answers:
            answers["person"] = Person.model_validate(answers["person"].content)
        return answers, None
    requests = {
        "person": ElicitRequest(
            params=ElicitRequestFormParams(message="Who are you?", requested_schema=Person.model_json_schema())
        ),
        "reply": CreateMessageRequest(params=CreateMessageRequestParams(messages=[message(question)], max_tokens=10)),
        "roots": ListRootsRequest(),
    }
    return {}, InputRequiredResult(input_requests={name: requests[name] for name in names})


@server.tool
def add(a: int, b: int) -> int:
    """The sum, as structured content."""
    return a + b


@server.tool
def fail() -> str:
    """A tool that runs and fails."""
    raise ToolError("it went wrong")


@server.tool
async def greet_user(ctx: Context):
    """Elicits a name and an age, then greets."""
    answers, more = await asked(ctx, "", ["person"])
    return more or f"hello {answers['person'].name}, {answers['person'].age}"


@server.tool
async def ask(question: str, ctx: Context):
    """Puts the question to the client's model."""
    answers, more = await asked(ctx, question, ["reply"])
    return more or answers["reply"].content.text


@server.tool
async def roots(ctx: Context):
    """The addresses of the client's roots."""
    answers, more = await asked(ctx, "", ["roots"])
    return more or " ".join(str(root.uri) for root in answers["roots"].roots)


@server.tool
async def survey(question: str, ctx: Context):
    """Asks the person, the model and for the roots, all for one call."""
    answers, more = await asked(ctx, question, ["person", "reply", "roots"])
    return more or f"{answers['person'].name}; {answers['reply'].content.text}; {answers['roots'].roots[0].uri}"


@server.tool
async def count(to: int, ctx: Context, pause: float = 0) -> str:
    """Reports progress at each step, and says so in the log."""
    for step in range(1, to + 1):
        await ctx.report_progress(step, to, f"step {step}")
        await ctx.info(f"step {step}")
        await asyncio.sleep(pause)
    return f"counted to {to}"


@server.tool
async def wait(seconds: float, name: str = "") -> str:
    """Answers late, for calls that are to be cancelled."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        given_up.add(name)
        raise
    return "waited"


@server.tool
def was_cancelled(name: str) -> str:
    """Whether a wait of that name was given up."""
    return "yes" if name in given_up else "no"


@server.tool
async def touch(ctx: Context) -> str:
    """Says that the list of tools changed; nobody can ask to hear of it without the handshake."""
    await ctx.send_notification(ToolListChangedNotification())
    return "touched"


@server.resource("note://one")
def note() -> str:
    """A resource that never changes."""
    return "the first note"


@server.resource("note://by/{author}")
def note_by(author: str) -> str:
    """A resource of a template."""
    return f"a note by {author}"


@server.prompt
def greeting(name: str) -> str:
    """A prompt with one argument."""
    return f"Greet {name}."


@server.completion
async def names(_ref, argument, _context):
    """The known names that begin with what is there."""
    return Completion(values=[name for name in ["Ann", "Anna", "Bob"] if name.startswith(argument.value)])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--http", type=int, metavar="PORT", help="0 picks a free one, told on standard error")
    args = parser.parse_args()
    if args.http is None:
        server.run("stdio", show_banner=False)
    else:
        listening = socket.create_server(("127.0.0.1", args.http))
        print(f"running on http://127.0.0.1:{listening.getsockname()[1]}", file=sys.stderr, flush=True)
        server.run("http", show_banner=False, sockets=[listening])
