"""Drives the Python SDK's client, 1.x or 2.x, from JSON lines on standard input."""

import argparse
import asyncio
import contextlib
import json
import sys
from datetime import timedelta

from mcp import StdioServerParameters
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client

from answers import Answers, Events, wire

try:
    from mcp import Client
    import mcp_types as types
    import mcp.client.session as session_module
    from mcp_types.version import LATEST_MODERN_VERSION

    MAJOR = 2
except ImportError:
    import mcp.types as types
    from mcp import ClientSession
    from mcp.client.websocket import websocket_client

    MAJOR = 1

LINE_LIMIT = 64 * 1024 * 1024


def pin_handshake(version):
    """Makes the SDK offer that revision in `initialize`; neither major has a setting for it."""
    if version is None:
        return
    if MAJOR == 1:
        types.LATEST_PROTOCOL_VERSION = version
    else:
        session_module.LATEST_HANDSHAKE_VERSION = version


class Link:
    """One connection, held open by a task of its own because its scopes must be left where they were entered."""

    def __init__(self, args, events):
        self.args = args
        self.events = events
        self.session_id = None
        self.client = None
        self.info = {}
        self._task = None
        self._stop = asyncio.Event()
        self._listening = None

    async def open(self, command):
        ready = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold(command, ready))
        await ready
        return self.described()

    async def _hold(self, command, ready):
        try:
            async with contextlib.AsyncExitStack() as stack:
                self._scope = stack
                await self._enter(stack, command)
                ready.set_result(None)
                await self._stop.wait()
        except BaseException as fault:  # the SDK raises groups and cancellations from its own tasks
            if not ready.done():
                ready.set_exception(fault)
            else:
                self.events.add("error", message=f"connection ended: {flat(fault)}")

    async def close(self):
        self._stop.set()
        if self._task is not None:
            await asyncio.wait([self._task])

    def _transport(self):
        args = self.args
        if args.transport == "stdio":
            return stdio_client(StdioServerParameters(command=args.command[0], args=args.command[1:]))
        headers = dict(line.split(": ", 1) for line in args.header)
        if args.transport == "ws":
            return websocket_client(args.url)
        if args.transport == "sse":
            return sse_client(args.url, headers=headers, on_session_created=self._note_session)
        client = create_mcp_http_client(headers=headers)
        client.event_hooks = {"response": [self._note_response], "request": []}
        return streamable_http_client(args.url, http_client=client)

    def _note_session(self, session_id):
        self.session_id = session_id

    async def _note_response(self, response):
        self.session_id = response.headers.get("mcp-session-id") or self.session_id

    async def _enter(self, stack, command):
        answers = Answers(types, self.events)
        offered = command.get("capabilities")
        offered = ("roots", "sampling", "elicitation") if offered is None else offered
        shared = {
            "sampling_callback": answers.sampling if "sampling" in offered else None,
            "elicitation_callback": answers.elicitation if "elicitation" in offered else None,
            "list_roots_callback": answers.roots if "roots" in offered else None,
            "message_handler": answers.message,
            "client_info": types.Implementation(name=command.get("name") or f"python-{MAJOR}", version="0"),
        }
        pin_handshake(command.get("version"))
        if MAJOR == 1:
            read, write, *_ = await stack.enter_async_context(self._transport())
            self.client = await stack.enter_async_context(ClientSession(read, write, **shared))
            self.info = wire(await self.client.initialize())
            return
        mode = {"legacy": "legacy", "auto": "auto", "modern": LATEST_MODERN_VERSION}[self.args.era]
        self.client = await stack.enter_async_context(
            Client(self._transport(), mode=mode, cache=None, log_level=command.get("log_level"), **shared)
        )
        self.info = {
            "protocolVersion": self.client.protocol_version,
            "serverInfo": wire(self.client.server_info),
            "capabilities": wire(self.client.server_capabilities),
            "instructions": self.client.instructions,
        }

    @property
    def modern(self):
        return MAJOR == 2 and self.client.protocol_version == LATEST_MODERN_VERSION

    def described(self):
        return {**self.info, "sessionId": self.session_id, "era": "modern" if self.modern else "legacy"}

    async def listen(self, **wanted):
        """Opens the stream of changes of the modern era and keeps it until the connection closes."""
        opened = asyncio.get_running_loop().create_future()

        async def pump():
            try:
                async with self.client.listen(**wanted) as stream:
                    opened.set_result(wire(stream.honored))
                    # The notifications themselves are noted by the message callback.
                    async for _ in stream:
                        pass
            except Exception as fault:
                if not opened.done():
                    opened.set_exception(fault)

        self._listening = asyncio.create_task(pump())
        return await opened


def flat(fault):
    """A group of faults as the text of its leaves."""
    if isinstance(fault, BaseExceptionGroup):
        return "; ".join(flat(one) for one in fault.exceptions)
    return f"{type(fault).__name__}: {fault}"


def error_of(fault):
    """The answer for a failed command; `code` only where a server or the SDK gave one."""
    while isinstance(fault, BaseExceptionGroup) and len(fault.exceptions) == 1:
        fault = fault.exceptions[0]
    given = getattr(fault, "error", None)
    code, message = getattr(given, "code", None), getattr(given, "message", None)
    return {"kind": type(fault).__name__, "code": code, "message": message or flat(fault), "data": getattr(given, "data", None)}


class Driver:
    """One method for each command."""

    def __init__(self, args):
        self.args = args
        self.events_seen = Events()
        self.link = Link(args, self.events_seen)

    @property
    def client(self):
        if self.link.client is None:
            raise RuntimeError("not connected")
        return self.link.client

    async def connect(self, command):
        self.link = Link(self.args, self.events_seen)
        return await self.link.open(command)

    async def server_info(self, _command):
        return self.link.described()

    async def events(self, _command):
        return self.events_seen.drain()

    async def wait_event(self, command):
        return await self.events_seen.take(command.get("kind"), command.get("method"), command.get("timeout", 30))

    async def _pages(self, ask, member, command):
        if command.get("cursor") is not None:
            return wire(await self._page(ask, command["cursor"]))
        gathered, cursor = [], None
        while True:
            page = wire(await self._page(ask, cursor))
            gathered += page[member]
            cursor = page.get("nextCursor")
            if cursor is None:
                return {**page, member: gathered}

    async def _page(self, ask, cursor):
        if MAJOR == 2:
            return await ask(cursor=cursor)
        return await ask(params=None if cursor is None else types.PaginatedRequestParams(cursor=cursor))

    async def list_tools(self, command):
        return await self._pages(self.client.list_tools, "tools", command)

    async def list_resources(self, command):
        return await self._pages(self.client.list_resources, "resources", command)

    async def list_templates(self, command):
        return await self._pages(self.client.list_resource_templates, "resourceTemplates", command)

    async def list_prompts(self, command):
        return await self._pages(self.client.list_prompts, "prompts", command)

    async def call(self, command):
        name, seconds, wanted = command["name"], command.get("timeout"), {}

        async def progress(done, total, message):
            noted = {"progress": done, "total": total, "message": message}
            params = {key: value for key, value in noted.items() if value is not None}
            self.events_seen.add("progress", method="notifications/progress", params=params, call=name)

        if command.get("progress"):
            wanted["progress_callback"] = progress
        if command.get("meta") is not None:
            wanted["meta"] = command["meta"]
        if seconds is not None:
            wanted["read_timeout_seconds"] = timedelta(seconds=seconds) if MAJOR == 1 else float(seconds)
        return wire(await self.client.call_tool(name, command.get("arguments") or {}, **wanted))

    async def cancel_call(self, command):
        # The next id, read before the call takes it: 1.x leaves the notification to its user.
        request_id = self.client._request_id if MAJOR == 1 else None
        calling = asyncio.create_task(self.call(command))
        done, _ = await asyncio.wait([calling], timeout=command.get("after_ms", 100) / 1000)
        if done:
            return {"cancelled": False, "result": calling.result()}
        if MAJOR == 1:
            params = types.CancelledNotificationParams(requestId=request_id, reason="the driver was told to")
            notice = types.CancelledNotification(method="notifications/cancelled", params=params)
            await self.client.send_notification(types.ClientNotification(notice))
        calling.cancel()
        await asyncio.wait([calling])
        return {"cancelled": True}

    async def parallel(self, command):
        return await asyncio.gather(*(self.answer({"op": "call", **one}) for one in command["calls"]))

    async def read(self, command):
        return wire(await self.client.read_resource(command["uri"]))

    async def get_prompt(self, command):
        return wire(await self.client.get_prompt(command["name"], command.get("arguments")))

    async def complete(self, command):
        kind = types.PromptReference if command["ref"]["type"] == "ref/prompt" else types.ResourceTemplateReference
        ref = kind.model_validate(command["ref"])
        return wire(await self.client.complete(ref, command["argument"], command.get("arguments")))

    async def subscribe(self, command):
        if self.link.modern:
            return await self.link.listen(resource_subscriptions=[command["uri"]])
        return wire(await self.client.subscribe_resource(command["uri"]))

    async def unsubscribe(self, command):
        return wire(await self.client.unsubscribe_resource(command["uri"]))

    async def listen(self, command):
        if MAJOR == 1:
            raise RuntimeError("this SDK has no listen")
        return await self.link.listen(
            tools_list_changed=command.get("tools", False),
            prompts_list_changed=command.get("prompts", False),
            resources_list_changed=command.get("resources", False),
            resource_subscriptions=command.get("uris", []),
        )

    async def set_level(self, command):
        return wire(await self.client.set_logging_level(command["level"]))

    async def ping(self, _command):
        return wire(await self.client.send_ping())

    async def roots_changed(self, _command):
        await self.client.send_roots_list_changed()
        return {}

    async def close(self, _command):
        await self.link.close()
        return {}

    async def answer(self, command):
        """Does what the command says; whatever goes wrong becomes the answer."""
        try:
            return {"ok": True, "value": await getattr(self, command["op"])(command)}
        except Exception as fault:
            return {"ok": False, "error": error_of(fault)}
        except asyncio.CancelledError as fault:
            # The SDK cancels its caller's task when its own tasks fail.
            return {"ok": False, "error": error_of(fault)}


async def serve(args):
    commands = asyncio.StreamReader(limit=LINE_LIMIT)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    driver = Driver(args)
    while line := await commands.readline():
        command = json.loads(line)
        print(json.dumps(await driver.answer(command)), flush=True)
        if command["op"] == "close":
            return
    await driver.link.close()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--transport", choices=["http", "sse", "ws", "stdio"], required=True)
    parser.add_argument("--url")
    parser.add_argument("--header", action="append", default=[], metavar="NAME: VALUE")
    parser.add_argument("--era", choices=["legacy", "auto", "modern"], default="legacy")
    parser.add_argument("command", nargs="*")
    args = parser.parse_args()
    if MAJOR == 1 and args.era != "legacy":
        parser.error("this SDK knows the handshake only; use --era legacy")
    if MAJOR == 2 and args.transport == "ws":
        parser.error("this SDK has no WebSocket")
    if (args.transport == "stdio") != bool(args.command) or (args.transport == "stdio") == bool(args.url):
        parser.error("stdio takes a command after --, http, sse and ws take --url")
    return args


if __name__ == "__main__":
    asyncio.run(serve(arguments()))
