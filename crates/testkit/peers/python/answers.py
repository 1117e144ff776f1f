"""What the Python driver's client says when a server asks it something, and what it remembers of it."""

import asyncio
import math


def wire(value):
    """The JSON form, with the protocol's own member names, of an SDK model."""
    value = getattr(value, "root", value)
    if hasattr(value, "model_dump"):
        return value.model_dump(by_alias=True, mode="json", exclude_none=True)
    return value


class Events:
    """Everything the client received without asking, oldest first."""

    def __init__(self):
        self._seen = []
        self._grew = asyncio.Event()

    def add(self, kind, **fields):
        self._seen.append({"kind": kind, **fields})
        self._grew.set()

    def drain(self):
        seen, self._seen = self._seen, []
        return seen

    async def take(self, kind, method, timeout):
        """The oldest event of that kind and method, waited for and removed."""

        async def look():
            while True:
                for place, event in enumerate(self._seen):
                    if method in (None, event.get("method")) and kind in (None, event["kind"]):
                        return self._seen.pop(place)
                self._grew.clear()
                await self._grew.wait()

        try:
            return await asyncio.wait_for(look(), timeout)
        except asyncio.TimeoutError:
            raise TimeoutError(f"no event {kind or ''} {method or ''} within {timeout} s") from None


def sampled_text(params):
    """The last text of the last message of a sampling request."""
    messages = params.get("messages") or [{}]
    content = messages[-1].get("content") or []
    blocks = content if isinstance(content, list) else [content]
    texts = [block["text"] for block in blocks if block.get("type") == "text"]
    return texts[-1] if texts else ""


FORMATS = {
    "email": "ann@example.com",
    "uri": "https://example.com/ann",
    "date": "2026-01-02",
    "date-time": "2026-01-02T03:04:05Z",
}


def choices(schema):
    """The values a schema lists, in either of the ways the protocol knows."""
    titled = schema.get("oneOf") or schema.get("anyOf") or []
    return schema.get("enum") or [one["const"] for one in titled if "const" in one]


def filled(schema):
    """One fixed value that satisfies a primitive schema of an elicitation."""
    if listed := choices(schema):
        return listed[0]
    kind = schema.get("type")
    if kind == "boolean":
        return True
    if kind in ("integer", "number"):
        return min(max(7, schema.get("minimum", 7)), schema.get("maximum", math.inf))
    if kind == "array":
        return choices(schema.get("items", {}))[: max(1, schema.get("minItems", 1))]
    text = FORMATS.get(schema.get("format"), "ann").ljust(schema.get("minLength", 0), "n")
    return text[: schema.get("maxLength", len(text))]


class Answers:
    """The client's side of sampling, elicitation and roots, with fixed replies."""

    def __init__(self, types, events):
        self._types = types
        self._events = events

    async def sampling(self, _context, params):
        sent = wire(params)
        self._events.add("request", method="sampling/createMessage", params=sent)
        return self._types.CreateMessageResult.model_validate(
            {
                "role": "assistant",
                "content": {"type": "text", "text": "sampled: " + sampled_text(sent)},
                "model": "peer-model",
                "stopReason": "endTurn",
            }
        )

    async def elicitation(self, _context, params):
        sent = wire(params)
        self._events.add("request", method="elicitation/create", params=sent)
        if sent.get("mode") == "url":
            return self._types.ElicitResult.model_validate({"action": "accept"})
        asked = sent.get("requestedSchema", {}).get("properties", {})
        content = {name: filled(schema) for name, schema in asked.items()}
        return self._types.ElicitResult.model_validate({"action": "accept", "content": content})

    async def roots(self, _context):
        self._events.add("request", method="roots/list", params={})
        return self._types.ListRootsResult.model_validate({"roots": [{"uri": "file:///peer/root", "name": "root"}]})

    async def message(self, message):
        """Notes a notification, or a fault of the transport; requests are noted above."""
        if isinstance(message, Exception):
            self._events.add("error", message=f"{type(message).__name__}: {message}")
            return
        noted = wire(message)
        # Progress reaches the caller's own callback, which knows the call it belongs to.
        if isinstance(noted, dict) and noted.get("method") != "notifications/progress":
            self._events.add("notification", method=noted["method"], params=noted.get("params") or {})
