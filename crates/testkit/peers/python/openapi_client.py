"""Makes a client of an OpenAPI document with openapi-python-client and calls one operation with it.

DOCUMENT FOLDER BASE TAG OPERATION ARGUMENTS: prints the status and the parsed answer as one line of JSON.
"""

import contextlib
import importlib
import json
import subprocess
import sys
import typing
from pathlib import Path

document, folder, base, tag, operation, arguments = sys.argv[1:]
folder = Path(folder)
settings = folder / "settings.yaml"
settings.write_text("post_hooks: []\n")
words = ["generate", "--path", document, "--output-path", str(folder / "made"), "--meta", "none"]
words += ["--config", str(settings), "--fail-on-warning"]
made = subprocess.run([sys.executable, "-m", "openapi_python_client", *words], capture_output=True, text=True)
if made.returncode:
    sys.exit(f"the client cannot be made:\n{made.stdout}{made.stderr}")

sys.path.insert(0, str(folder))
client = importlib.import_module("made").Client(base_url=base)
call = importlib.import_module(f"made.api.{tag}.{operation}").sync_detailed
hint = typing.get_type_hints(call)["body"]
kind = next(kind for kind in typing.get_args(hint) or (hint,) if hasattr(kind, "from_dict"))
answer = call(client=client, body=kind.from_dict(json.loads(arguments)))
parsed = answer.parsed
with contextlib.suppress(AttributeError):
    parsed = parsed.to_dict()
print(json.dumps({"status": answer.status_code, "parsed": parsed}))
