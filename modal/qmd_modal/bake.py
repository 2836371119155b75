"""Puts model files into the image while it is built, each checked against its pinned SHA-256.

    python bake.py PIN…

A pin is a JSON object with `place` and `sha256`, and with `repo`, `revision` and `file` when the
file is to be fetched from the hub; else it lies at `place` already. Stands alone, on the standard
library: so that the layer with the models is rebuilt only when a pin changes.
"""

import hashlib
import json
import os
import shutil
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path

_HUB = "https://huggingface.co"
_TRIES = 4
_IDLE = 60


def bake(pin: dict, endpoint: str, token: str | None, pause: float = 2.0) -> None:
    """Fetches one file unless it is there, and verifies it.

    Raises:
        ValueError: its SHA-256 is not the pinned one. The file is removed.
        OSError: it cannot be fetched.
    """
    place = Path(pin["place"])
    if "repo" in pin:
        place.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, _TRIES + 1):
            try:
                _fetch(_url(pin, endpoint), token, place)
                break
            except OSError as error:
                print(f"{place.name}: attempt {attempt}: {error}", file=sys.stderr)
                if attempt == _TRIES:
                    raise
                time.sleep(pause * attempt)
    digest = hashlib.sha256()
    with place.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    found = digest.hexdigest()
    if found != pin["sha256"]:
        place.unlink()
        raise ValueError(f"{place.name} has SHA-256 {found}, pinned is {pin['sha256']}")
    print(f"{place.name}: {found}")


def _url(pin: dict, endpoint: str) -> str:
    path = "/".join((pin["repo"], "resolve", pin["revision"], pin["file"]))
    return f"{endpoint.rstrip('/')}/{urllib.parse.quote(path)}"


def _fetch(url: str, token: str | None, place: Path) -> None:
    request = urllib.request.Request(url)
    if token:
        # Unredirected: the storage that the hub redirects to is another host.
        request.add_unredirected_header("Authorization", f"Bearer {token}")
    part = place.with_suffix(".part")
    with urllib.request.urlopen(request, timeout=_IDLE) as reply, part.open("wb") as file:
        shutil.copyfileobj(reply, file, 1 << 20)
        expected = reply.headers.get("Content-Length")
        if expected is not None and file.tell() != int(expected):
            raise OSError(f"{file.tell()} of {expected} bytes came")
    part.replace(place)


def main() -> int:
    """The command line."""
    endpoint, token = os.environ.get("HF_ENDPOINT") or _HUB, os.environ.get("HF_TOKEN")
    try:
        for pin in sys.argv[1:]:
            bake(json.loads(pin), endpoint, token)
    except (OSError, ValueError, KeyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
