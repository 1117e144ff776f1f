"""A guMCP factory server that says for whom it works. It prints where it should not."""

import asyncio
import itertools
import os

import mcp.types as types
from mcp.server.lowlevel import NotificationOptions, Server
from mcp.server.models import InitializationOptions

print("whoami is being imported")

EDITION = "first"
numbers = itertools.count(1)
calls_of_all = 0


def create_server(user_id, api_key=None):
    server = Server("whoami")
    number, calls = next(numbers), itertools.count(1)

    @server.list_tools()
    async def list_tools():
        seconds = {"type": "object", "properties": {"seconds": {"type": "number"}}, "required": ["seconds"]}
        return [
            types.Tool(name="whoami", description="Says for whom it works", inputSchema={"type": "object"}),
            types.Tool(name="slow", description="Takes its time", inputSchema=seconds),
            types.Tool(name="block", description="Lets nothing else run meanwhile", inputSchema=seconds),
            types.Tool(name="exit", description="Ends the process", inputSchema={"type": "object"}),
        ]

    @server.call_tool()
    async def call_tool(name, arguments):
        global calls_of_all
        print("a tool prints:", name)
        os.system("echo a program of the server prints, too")
        if name == "slow":
            await asyncio.sleep(arguments["seconds"])
        elif name == "block":
            __import__("time").sleep(arguments["seconds"])
        elif name == "exit":
            os._exit(9)
        calls_of_all += 1
        said = {
            "user_id": user_id,
            "api_key": api_key,
            "instance": number,
            "calls": next(calls),
            "calls_of_all": calls_of_all,
            "pid": os.getpid(),
            "edition": EDITION,
            "environment": sorted(os.environ),
        }
        return [types.TextContent(type="text", text=__import__("json").dumps(said))]

    return server


server = create_server


def get_initialization_options(instance):
    capabilities = instance.get_capabilities(notification_options=NotificationOptions(), experimental_capabilities={})
    return InitializationOptions(server_name="whoami", server_version="1.0.0", capabilities=capabilities)
