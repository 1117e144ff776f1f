"""Speaks to a proxy with plain httpx, as the documentation of mcp-streamablehttp-proxy does.

Argument: http://HOST:PORT. Prints status, session header and body of each answer, one JSON object a line.
"""

import asyncio
import json
import sys

import httpx


async def main(base):
    headers = {"Content-Type": "application/json"}
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:

        async def send(message):
            answer = await client.post(f"{base}/mcp", json={"jsonrpc": "2.0", **message}, headers=headers)
            session = answer.headers.get("Mcp-Session-Id")
            body = answer.json() if answer.content else None
            print(json.dumps({"status": answer.status_code, "session": session, "body": body}))
            return session

        me = {"name": "plain-httpx", "version": "1.0"}
        params = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "clientInfo": me}
        headers["Mcp-Session-Id"] = await send({"id": 1, "method": "initialize", "params": params})
        await send({"method": "notifications/initialized", "params": {}})
        await send({"id": 2, "method": "tools/list", "params": {}})
        call = {"name": "echo", "arguments": {"text": "from httpx"}}
        await send({"id": 3, "method": "tools/call", "params": call})


asyncio.run(main(sys.argv[1]))
