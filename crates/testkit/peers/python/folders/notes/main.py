"""A guMCP factory server that keeps data for each user in a dictionary of its module, as the simplest ones do."""

import json
import logging
import os
import sys
from typing import Any

project_root = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
sys.path.insert(0, project_root)
sys.path.insert(0, os.path.join(project_root, "src"))

import mcp.types as types  # noqa: E402
from mcp.server import NotificationOptions, Server  # noqa: E402
from mcp.server.models import InitializationOptions  # noqa: E402

logging.basicConfig(level=logging.INFO, format="%(asctime)s - %(name)s - %(levelname)s - %(message)s")
logger = logging.getLogger("notes")

stored: dict[str, dict[str, Any]] = {}


def create_server(user_id=None, api_key=None):
    """Makes an instance for one user."""
    server = Server("notes")
    server.user_id = user_id

    def own():
        return stored.setdefault(user_id, {}) if user_id else {}

    def tool(name, description, *required):
        properties = {key: {"type": "string"} for key in required}
        schema = {"type": "object", "properties": properties, "required": list(required)}
        return types.Tool(name=name, description=description, inputSchema=schema)

    @server.list_tools()
    async def handle_list_tools() -> list[types.Tool]:
        logger.info("Listing tools for user: %s", user_id)
        return [
            tool("store-data", "Keeps a value under a key", "key", "value"),
            tool("retrieve-data", "Gives the value that is kept under a key", "key"),
            tool("list-data", "Lists everything that is kept"),
        ]

    @server.call_tool()
    async def handle_call_tool(name: str, arguments: dict | None) -> list[types.TextContent]:
        logger.info("User %s calls %s", user_id, name)
        arguments = arguments or {}
        if name == "store-data":
            own()[arguments["key"]] = arguments["value"]
            text = f"Stored '{arguments['key']}' with value '{arguments['value']}'"
        elif name == "retrieve-data":
            key = arguments["key"]
            text = f"Value for '{key}': {own()[key]}" if key in own() else f"Key '{key}' not found"
        elif name == "list-data":
            text = json.dumps(own(), sort_keys=True) if own() else "No data stored"
        else:
            raise ValueError(f"Unknown tool: {name}")
        return [types.TextContent(type="text", text=text)]

    return server


server = create_server


def get_initialization_options(server_instance: Server) -> InitializationOptions:
    """Says what an instance can do."""
    return InitializationOptions(
        server_name="notes",
        server_version="1.0.0",
        capabilities=server_instance.get_capabilities(
            notification_options=NotificationOptions(), experimental_capabilities={}
        ),
    )
