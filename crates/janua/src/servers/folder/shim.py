"""Hosts the MCP sessions of one guMCP factory server, for the gateway that started this interpreter.

Arguments: the folder of servers, the name of one, and perhaps --check: then the server is loaded and nothing else.
Exit codes: 0 done, 1 it cannot be loaded, 2 there is no such server, 3 it lacks one of the two names.

Lines from the gateway:      Lines to the gateway:
  open CHANNEL INSTANCE {"user_id": ..., "api_key": ...}
  close CHANNEL                closed CHANNEL REASON
  drop INSTANCE
  ping                         pong
  CHANNEL MESSAGE              CHANNEL MESSAGE

Credentials come in lines of standard input, never as arguments or variables. Standard output is taken away from the
server before it is loaded, as many of these servers print.
"""

import asyncio
import importlib.util
import inspect
import json
import os
import sys
import traceback
import typing
from importlib import metadata

LOADED, NOT_LOADED, NO_SERVER, NO_NAMES = 0, 1, 2, 3
# Messages that may wait for one session: one that takes none in is ended, and holds up nobody else.
WAITING = 1024


class Refused(Exception):
    """Why the server cannot be hosted, and with which code to end."""

    def __init__(self, code, why):
        super().__init__(why)
        self.code = code


def take_over(descriptor, flags):
    """A copy of a standard descriptor, which itself leads elsewhere from now on."""
    copy = os.dup(descriptor)
    if flags is None:
        os.dup2(2, descriptor)
    else:
        nothing = os.open(os.devnull, flags)
        os.dup2(nothing, descriptor)
        os.close(nothing)
    return copy


def check_package():
    """The servers use decorators that the package `mcp` has below version 2."""
    needed = f"{sys.executable} is the interpreter; name another with `python:`"
    try:
        version = metadata.version("mcp")
    except metadata.PackageNotFoundError:
        raise Refused(NOT_LOADED, f"the Python package mcp is not installed, this server needs it below 2 ({needed})")
    if not version.split(".")[0] in ("0", "1"):
        raise Refused(NOT_LOADED, f"the interpreter has mcp {version}, this server needs mcp below 2 ({needed})")


def find(folder, name):
    """The file of a server, which must lie in the folder of servers."""
    folder = os.path.abspath(folder)
    if os.path.basename(name) != name or name in ("", ".", ".."):
        raise Refused(NO_SERVER, "the name leads out of the folder of servers")
    path = os.path.join(folder, name, "main.py")
    if not os.path.isfile(path):
        raise Refused(NO_SERVER, "there is no main.py")
    return folder, path


def load(folder, name):
    """Imports a server and gives what makes its instances, and what gives their options."""
    folder, path = find(folder, name)
    check_package()
    root = os.path.dirname(os.path.dirname(folder))
    places = [os.path.join(root, "src"), os.path.dirname(folder), root]
    wanted = [place for place in dict.fromkeys(places) if place != os.sep]
    sys.path[:] = wanted + [place for place in sys.path if place and place not in wanted]
    spec = importlib.util.spec_from_file_location(f"{name}.server", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        raise Refused(NOT_LOADED, f"main.py cannot be imported: {summary(error)}")
    missing = [name for name in ("server", "get_initialization_options") if not hasattr(module, name)]
    if missing:
        raise Refused(NO_NAMES, f"main.py does not define {' and '.join(missing)}")
    return module.server, module.get_initialization_options


def summary(error):
    return " ".join(traceback.format_exception_only(type(error), error)[-1].split())


async def make(factory, user_id, api_key):
    """An instance, made with keywords if the factory knows them."""
    try:
        known = set(inspect.signature(factory).parameters)
    except (TypeError, ValueError):
        known = set()
    if {"user_id", "api_key"} <= known:
        made = factory(user_id=user_id, api_key=api_key)
    elif "user_id" in known:
        made = factory(user_id=user_id)
    else:
        made = factory(user_id, api_key)
    return await made if inspect.isawaitable(made) else made


class Host:
    """The sessions of one server in this process, by channel, and its instances, by number."""

    def __init__(self, factory, options, output):
        self.factory, self.options, self.output = factory, options, output
        self.instances, self.channels = {}, {}

    def say(self, line):
        rest = memoryview(line.encode() + b"\n")
        while rest:
            rest = rest[os.write(self.output, rest):]

    async def serve(self, input):
        """Takes lines until there are no more."""
        import anyio

        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(input, "rb", 0))
        begun = []
        async with anyio.create_task_group() as self.tasks:
            while chunk := await reader.read(1 << 16):
                *lines, rest = chunk.split(b"\n")
                for line in lines:
                    self.take(b"".join([*begun, line]))
                    begun = []
                begun.append(rest)
            self.tasks.cancel_scope.cancel()

    def take(self, line):
        word, _, rest = line.partition(b" ")
        if word.isdigit():
            if channel := self.channels.get(int(word)):
                channel.take(rest)
        elif word == b"open":
            number, instance, who = rest.split(b" ", 2)
            channel = Channel(self, int(number))
            self.channels[channel.number] = channel
            self.tasks.start_soon(channel.run, int(instance), json.loads(who))
        elif word == b"close":
            if channel := self.channels.pop(int(rest), None):
                channel.end()
        elif word == b"drop":
            self.instances.pop(int(rest), None)
        elif word == b"ping":
            self.say("pong")

    async def instance(self, number, who):
        """The instance of that number, made when it is first needed; once, whoever asks meanwhile."""
        if number not in self.instances:
            self.instances[number] = asyncio.ensure_future(make(self.factory, who["user_id"], who["api_key"]))
        try:
            return await asyncio.shield(self.instances[number])
        except Exception:
            self.instances.pop(number, None)
            raise


class Channel:
    """One session: a stream of its own to an instance."""

    def __init__(self, host, number):
        import anyio

        self.host, self.number, self.initialized = host, number, False
        self.scope = anyio.CancelScope()
        self.sender, self.receiver = anyio.create_memory_object_stream(WAITING)

    def take(self, text):
        import anyio
        from mcp.types import JSONRPCMessage

        try:
            message = JSONRPCMessage.model_validate_json(text)
            if refusal := self.refusal(message.root):
                return self.host.say(f"{self.number} {json.dumps(refusal)}")
            self.sender.send_nowait(wrapped(message))
        except ValueError:
            print("a message that this version of mcp does not know was left out", file=sys.stderr)
        except anyio.WouldBlock:
            self.end("the server takes no messages in")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass

    def refusal(self, message):
        """The error for a request that would end the whole session in older versions of mcp, if it is one."""
        from mcp.types import ClientNotification, ClientRequest, JSONRPCNotification, JSONRPCRequest

        if isinstance(message, JSONRPCNotification):
            known = ClientNotification.model_validate(message.model_dump(by_alias=True, exclude_none=True)).root
            self.initialized = self.initialized or known.method == "notifications/initialized"
        if not isinstance(message, JSONRPCRequest):
            return None
        code, why = -32602, "the request came before notifications/initialized"
        if self.initialized or message.method in ("initialize", "ping"):
            try:
                ClientRequest.model_validate(message.model_dump(by_alias=True, exclude_none=True))
                return None
            except ValueError:
                kinds = typing.get_args(ClientRequest.model_fields["root"].annotation)
                known = {name for kind in kinds for name in typing.get_args(kind.model_fields["method"].annotation)}
                code, why = (-32602, "invalid parameters") if message.method in known else (-32601, "method not found")
        return {"jsonrpc": "2.0", "id": message.id, "error": {"code": code, "message": why}}

    def end(self, why=None):
        if why and self.host.channels.pop(self.number, None):
            self.host.say(f"closed {self.number} {why}")
        self.scope.cancel()

    async def run(self, number, who):
        why = "the server's session is over"
        try:
            with self.scope:
                await self.converse(await self.host.instance(number, who))
        except Exception as error:
            traceback.print_exc()
            why = summary(error)
        self.end(why)

    async def converse(self, instance):
        import anyio

        outgoing, written = anyio.create_memory_object_stream(0)

        async def write():
            async with written:
                async for message in written:
                    bare = getattr(message, "message", message)
                    self.host.say(f"{self.number} {bare.model_dump_json(by_alias=True, exclude_none=True)}")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write)
            await instance.run(self.receiver, outgoing, self.host.options(instance))
            tasks.cancel_scope.cancel()


def wrapped(message):
    """A message as the streams of this version of mcp carry it."""
    try:
        from mcp.shared.message import SessionMessage
    except ImportError:
        return message
    return SessionMessage(message)


def main(folder, name, *flags):
    input, output = take_over(0, os.O_RDONLY), take_over(1, None)
    sys.stdout = sys.stderr
    try:
        factory, options = load(folder, name)
    except Refused as refused:
        print(refused, file=sys.stderr, flush=True)
        if "--check" in flags:
            os.write(output, f"{refused}\n".encode())
        return refused.code
    if "--check" not in flags:
        import anyio

        anyio.run(Host(factory, options, output).serve, input)
    return LOADED


sys.exit(main(*sys.argv[1:]))
