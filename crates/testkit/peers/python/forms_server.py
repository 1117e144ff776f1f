"""An MCP server without any SDK, whose tools answer in every form that results and errors have."""

import json
import sys

TEXT = {"type": "string"}
TOOLS = [
    {
        "name": "add",
        "description": "Adds two numbers.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "a": {"type": "integer", "description": "first"},
                "b": {"type": "number", "default": 2},
                "s": TEXT,
                "o": {"type": "object", "properties": {"k": TEXT, "n": {"type": "integer"}}, "required": ["k"]},
                "l": {"type": "array", "items": {"type": "integer"}},
                "u": {"anyOf": [TEXT, {"type": "null"}]},
                "r": {"$ref": "#/$defs/R"},
                "x": {},
            },
            "required": ["a"],
            "$defs": {"R": {"type": "object", "properties": {"z": {"type": "integer"}}, "required": ["z"]}},
        },
    },
    {"name": "form", "inputSchema": {"type": "object", "properties": {"kind": TEXT}, "required": ["kind"]}},
    {"name": "no_args", "description": "Takes nothing.", "inputSchema": {"type": "object", "properties": {}}},
    {"name": "empty-schema", "inputSchema": {"type": "object"}},
    {
        "name": "structured",
        "inputSchema": {"type": "object", "properties": {"q": TEXT}},
        "outputSchema": {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]},
    },
    {"name": "bare/name", "inputSchema": {"type": "object", "properties": {"v": TEXT}}},
    {"name": "getHTTPThing2", "inputSchema": {"type": "object", "properties": {"v": TEXT}}},
]


def text(words):
    return {"type": "text", "text": words}


IMAGE = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
FORMS = {
    "text": [text("hello")],
    "json": [text('{"a": 1, "b": null}')],
    "number": [text("42")],
    "null": [text("null")],
    "float": [text("1.0")],
    "big": [text("12345678901234567890123")],
    "empty": [text("")],
    "two": [text("a"), text("[1]")],
    "none": [],
    "image": [IMAGE],
    "captioned": [text("caption"), IMAGE],
    "audio": [{"type": "audio", "data": "aGk=", "mimeType": "audio/wav"}],
    "resource": [{"type": "resource", "resource": {"uri": "x://y", "text": "body", "mimeType": "text/plain"}}],
    "link": [{"type": "resource_link", "uri": "x://y", "name": "y"}],
}


def called(params):
    """The result of a call, or an error."""
    name, given = params["name"], params.get("arguments", {})
    if name == "structured":
        content = {"n": 1}
        written = [] if given.get("q") == "only" else [text(json.dumps(content))]
        return {"content": written, "structuredContent": content}, None
    if name != "form":
        return {"content": [text(json.dumps({"name": name, "arguments": given}))]}, None
    kind = given["kind"]
    if kind == "failed":
        return {"content": [text("it broke")], "isError": True}, None
    if kind == "die":
        sys.exit(3)
    if kind.startswith("-"):
        return None, {"code": int(kind), "message": "refused", "data": {"why": kind}}
    return {"content": FORMS[kind]}, None


def answered(message):
    """The result of a request, or an error."""
    method, params = message["method"], message.get("params", {})
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "forms", "version": "9.1"},
        }, None
    if method == "tools/list":
        return {"tools": TOOLS}, None
    if method == "tools/call":
        return called(params)
    if method == "ping":
        return {}, None
    return None, {"code": -32601, "message": "unknown method"}


for line in sys.stdin:
    message = json.loads(line)
    if "method" in message and "id" in message:
        result, error = answered(message)
        outcome = {"result": result} if error is None else {"error": error}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **outcome}), flush=True)
