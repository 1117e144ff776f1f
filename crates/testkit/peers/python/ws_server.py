"""A server made with the Python SDK 1.x over WebSocket, plain or encrypted."""

import argparse
import asyncio
import datetime
import ipaddress
import pathlib
import socket
import sys

import anyio
import uvicorn
from mcp.server.fastmcp import Context, FastMCP
from mcp.server.websocket import websocket_server
from mcp.types import SamplingMessage, TextContent

server = FastMCP("python-1-ws", log_level="ERROR")


@server.tool()
def add(a: int, b: int) -> int:
    """The sum."""
    return a + b


@server.tool()
def big(size: int) -> str:
    """So many letters."""
    return "x" * size


@server.tool()
async def ask(question: str, ctx: Context) -> str:
    """Puts the question to the client's model."""
    message = SamplingMessage(role="user", content=TextContent(type="text", text=question))
    reply = await ctx.session.create_message(messages=[message], max_tokens=10, related_request_id=ctx.request_id)
    return reply.content.text


@server.tool()
async def roots(ctx: Context) -> str:
    """The addresses of the client's roots."""
    found = await ctx.session.list_roots()
    return " ".join(str(root.uri) for root in found.roots)


@server.tool()
async def count(to: int, ctx: Context) -> str:
    """Reports progress at each step."""
    for step in range(1, to + 1):
        await ctx.report_progress(step, to, f"step {step}")
        await asyncio.sleep(0.05)
    return f"counted to {to}"


@server.tool()
async def wait(seconds: float) -> str:
    """Answers late, and says on standard error when it is cancelled."""
    try:
        await asyncio.sleep(seconds)
    except BaseException:
        print("cancelled", file=sys.stderr, flush=True)
        raise
    return "waited"


@server.resource("note://one")
def note() -> str:
    """A resource that never changes."""
    return "the first note"


async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return
    try:
        async with websocket_server(scope, receive, send) as (read, write):
            inner = server._mcp_server
            await inner.run(read, write, inner.create_initialization_options())
    # The transport reports a client that has gone as an error of a stream of its own.
    except* (anyio.ClosedResourceError, anyio.BrokenResourceError):
        pass


def certificates(folder):
    """Makes an authority and a certificate for 127.0.0.1; gives the files for the server."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    now = datetime.datetime.now(datetime.timezone.utc)

    def signed(name, key, issuer, issuer_key, *extensions):
        built = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
        built = built.serial_number(x509.random_serial_number())
        built = built.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=9))
        for extension, critical in extensions:
            built = built.add_extension(extension, critical)
        return built.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def named(text):
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    authority, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = signed(
        named("test authority"), authority, named("test authority"), authority,
        (x509.BasicConstraints(ca=True, path_length=0), True),
    )
    place = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    leaf = signed(
        named("127.0.0.1"), own, named("test authority"), authority,
        (place, False), (x509.BasicConstraints(ca=False, path_length=None), True),
    )
    (folder / "authority.pem").write_bytes(root)
    (folder / "own.pem").write_bytes(leaf)
    key = own.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "own.key").write_bytes(key)
    return {"ssl_certfile": str(folder / "own.pem"), "ssl_keyfile": str(folder / "own.key")}


def run():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tls", type=pathlib.Path, metavar="FOLDER", help="encrypt, and leave authority.pem there")
    folder = parser.parse_args().tls
    tls = certificates(folder) if folder else {}
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    scheme = "wss" if folder else "ws"
    print(f"running on {scheme}://127.0.0.1:{listener.getsockname()[1]}/ws", file=sys.stderr, flush=True)
    config = uvicorn.Config(app, log_level="warning", lifespan="off", ws="websockets", **tls)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    run()
