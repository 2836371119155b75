"""Pins what is to be deployed: an image tag to its digest, hub files to a commit and a SHA-256.

    python -m qmd_modal.resolve < wanted.json > pinned.json

Wanted: `{"image": "NAME:TAG", "models": {"embed": "hf:OWNER/NAME/FILE.gguf" or "/a/FILE.gguf"}}`;
both are optional. Pinned: `{"image": "NAME@sha256:DIGEST", "models": [PIN]}`, the values of
`QMD_MODAL_IMAGE` and `QMD_MODAL_MODELS`. The deployer records them: a later deploy of the same pins
is the same deployment. The hashes are what registry and hub say of their own files, and what
reading a local file gives; the image build verifies the models' against the bytes.
"""

from __future__ import annotations

import json
import os
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any

from .deployment import DEFAULT_IMAGE, BakedModel
from .model import file_sha256
from .role import Role
from .settings import is_sha256

_HUB = "https://huggingface.co"
_TIMEOUT = 15

_INDEX_TYPES = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)


class ResolveError(Exception):
    """It cannot be pinned. The message names it."""


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The hub's first answer has the facts; what it redirects to is a storage host."""

    def redirect_request(self, *_: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect)


def image(reference: str) -> str:
    """`NAME:TAG` as `NAME@sha256:DIGEST` (OCI distribution specification, "Pulling manifests").

    Raises:
        ResolveError: the registry does not know it or cannot be reached.
    """
    if "@sha256:" in reference:
        return reference
    parts = re.fullmatch(r"([^/\s]+[.:][^/\s]*)/([^\s:]+):([\w.-]+)", reference)
    if not parts:
        raise ResolveError(f"{reference} is no image reference of the form HOST/NAME:TAG")
    host, name, tag = parts.groups()
    # As container tools do: a registry on this machine speaks plain HTTP.
    scheme = "http" if host.partition(":")[0] in ("localhost", "127.0.0.1") else "https"
    url = f"{scheme}://{host}/v2/{name}/manifests/{tag}"
    status, headers = _head(url, {"Accept": _INDEX_TYPES})
    if status == 401:
        token = _anonymous_token(headers.get("WWW-Authenticate", ""), reference)
        accept = {"Accept": _INDEX_TYPES, "Authorization": f"Bearer {token}"}
        status, headers = _head(url, accept)
    digest = headers.get("Docker-Content-Digest", "")
    if status != 200 or not is_sha256(digest.removeprefix("sha256:")):
        raise ResolveError(f"the registry does not tell the digest of {reference}: HTTP {status}")
    return f"{host}/{name}@{digest}"


def _anonymous_token(challenge: str, reference: str) -> str:
    fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    realm = fields.pop("realm", "")
    if not challenge.lower().startswith("bearer") or not realm:
        raise ResolveError(f"the registry refuses {reference}")
    try:
        with urllib.request.urlopen(
            f"{realm}?{urllib.parse.urlencode(fields)}", timeout=_TIMEOUT
        ) as reply:
            body = json.load(reply)
        return body.get("token") or body["access_token"]
    except (OSError, ValueError, KeyError) as error:
        raise ResolveError(f"the registry gives no token for {reference}: {error}") from None


def model(role: Role, source: str, endpoint: str, token: str | None) -> BakedModel:
    """A hub file (`hf:OWNER/NAME/FILE`, with `#REVISION` or `main`) or a local one, pinned.

    Raises:
        ResolveError: it is not there, or its host cannot be reached.
    """
    if not source.startswith("hf:"):
        path = Path(source).expanduser().resolve()
        if not path.is_file():
            raise ResolveError(f"{path} is no file")
        return BakedModel(role, path.name, file_sha256(path), path=str(path))
    address, _, revision = source.removeprefix("hf:").partition("#")
    parts = address.split("/", 2)
    if len(parts) != 3 or "/" in parts[2]:
        raise ResolveError(f"{source} is not of the form hf:OWNER/NAME/FILE")
    repo, file = "/".join(parts[:2]), parts[2]
    place = f"{urllib.parse.quote(revision or 'main', safe='')}/{urllib.parse.quote(file)}"
    url = f"{endpoint.rstrip('/')}/{repo}/resolve/{place}"
    status, headers = _head(url, {"Authorization": f"Bearer {token}"} if token else {})
    if status not in (200, 302, 307):
        hint = ", set HF_TOKEN for a gated repository" if status in (401, 403) else ""
        raise ResolveError(f"the hub does not give {source}: HTTP {status}{hint}")
    sha256 = headers.get("X-Linked-ETag", headers.get("ETag", "")).strip('"')
    commit = headers.get("X-Repo-Commit", "")
    if not is_sha256(sha256) or not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise ResolveError(f"the hub does not tell SHA-256 and commit of {source}")
    return BakedModel(role, file, sha256, repo=repo, revision=commit)


def _head(url: str, headers: dict[str, str]) -> tuple[int, Message]:
    request = urllib.request.Request(url, headers=headers, method="HEAD")
    try:
        with _opener.open(request, timeout=_TIMEOUT) as reply:
            return reply.status, reply.headers
    except urllib.error.HTTPError as error:
        return error.code, error.headers
    except OSError as error:
        host = urllib.parse.urlsplit(url).netloc
        raise ResolveError(f"{host} cannot be reached: {error}") from None


def main() -> int:
    """The command line."""
    endpoint, token = os.environ.get("HF_ENDPOINT") or _HUB, os.environ.get("HF_TOKEN")
    try:
        wanted = json.load(sys.stdin)
        sources = wanted.get("models") or {}
        models = [model(Role(role), source, endpoint, token) for role, source in sources.items()]
        pinned = {
            "image": image(wanted.get("image") or DEFAULT_IMAGE),
            "models": [entry.pin() for entry in models],
        }
    except (ResolveError, ValueError, AttributeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    json.dump(pinned, sys.stdout)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
