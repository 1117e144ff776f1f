"""A whole session through the client of the Python SDK that guMCP was written with; says each result on a line."""

import asyncio
import sys

from mcp import ClientSession
from mcp.client.sse import sse_client


async def main(url):
    async with sse_client(url) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        tools = await session.list_tools()
        print(", ".join(tool.name for tool in tools.tools))
        for name, arguments in [
            ("store-data", {"key": "k", "value": "v1"}),
            ("retrieve-data", {"key": "k"}),
            ("list-data", {}),
        ]:
            result = await session.call_tool(name, arguments)
            print(result.content[0].text.replace("\n", " / "))


asyncio.run(main(sys.argv[1]))
