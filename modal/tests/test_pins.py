"""Images and models are pinned by what registry and hub say, and verified when they are baked."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from qmd_modal import bake, resolve
from qmd_modal.resolve import ResolveError
from qmd_modal.role import Role

from .loopback import Reply, Request, loopback

ROOT = Path(__file__).parents[1]
CONTENT = b"GGUF" + bytes(1000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "c" * 40
DIGEST = "sha256:" + "d" * 64


def registry(request: Request) -> Reply:
    """A container registry that wants an anonymous token first."""
    if request.path.startswith("/token"):
        assert request.path == "/token?service=test&scope=repository%3Aorg%2Fname%3Apull"
        return Reply(body=b'{"token": "t0ken"}')
    if request.headers.get("authorization") != "Bearer t0ken":
        realm = f"http://{request.headers['host']}/token"
        scope = f'Bearer realm="{realm}",service="test",scope="repository:org/name:pull"'
        return Reply(401, {"WWW-Authenticate": scope})
    if request.path != "/v2/org/name/manifests/cuda":
        return Reply(404)
    assert "image.index" in request.headers["accept"]
    return Reply(200, {"Docker-Content-Digest": DIGEST})


def test_a_tag_is_pinned_to_its_digest() -> None:
    with loopback(registry) as (host, seen):
        assert resolve.image(f"{host}/org/name:cuda") == f"{host}/org/name@{DIGEST}"
        assert [request.method for request in seen] == ["HEAD", "GET", "HEAD"]
        with pytest.raises(ResolveError, match="HTTP 404"):
            resolve.image(f"{host}/org/name:absent")


def test_a_pinned_image_asks_nobody() -> None:
    pinned = f"localhost:1/org/name@{DIGEST}"
    assert resolve.image(pinned) == pinned


@pytest.mark.parametrize("reference", ["", "name", "org/name:tag", "host.test/name", "a b"])
def test_image_references_are_checked(reference: str) -> None:
    with pytest.raises(ResolveError, match="reference"):
        resolve.image(reference)


def test_an_unreachable_registry_is_named() -> None:
    with pytest.raises(ResolveError, match=r"127\.0\.0\.1:9 cannot be reached"):
        resolve.image("127.0.0.1:9/org/name:tag")


def hub(request: Request) -> Reply:
    """A hub that redirects to a storage host, which must not see the token."""
    if request.path.startswith("/storage"):
        assert "authorization" not in request.headers
        return Reply(body=CONTENT)
    if "gated" in request.path and request.headers.get("authorization") != "Bearer hf_t":
        return Reply(401)
    if "/absent" in request.path:
        return Reply(404)
    facts = {"X-Repo-Commit": COMMIT, "X-Linked-ETag": f'"{SHA256}"', "ETag": '"small"'}
    # By its other name this host is another one.
    other = request.headers["host"].replace("127.0.0.1", "localhost")
    return Reply(302, {**facts, "Location": f"http://{other}/storage/blob"})


def test_hub_files_are_pinned_to_commit_and_hash() -> None:
    with loopback(hub) as (host, seen):
        endpoint = f"http://{host}"
        pin = resolve.model(Role.EMBED, "hf:o/r/m.gguf", endpoint, None)
        assert pin.pin() == {
            "role": "embed",
            "file": "m.gguf",
            "sha256": SHA256,
            "repo": "o/r",
            "revision": COMMIT,
        }
        assert [request.path for request in seen] == ["/o/r/resolve/main/m.gguf"]
        with pytest.raises(ResolveError, match="HF_TOKEN"):
            resolve.model(Role.EMBED, "hf:o/gated/m.gguf", endpoint, None)
        assert resolve.model(Role.EMBED, "hf:o/gated/m.gguf", endpoint, "hf_t").sha256 == SHA256
        with pytest.raises(ResolveError, match="HTTP 404"):
            resolve.model(Role.EMBED, "hf:o/r/absent.gguf", endpoint, None)


def test_a_revision_may_be_asked_for() -> None:
    with loopback(hub) as (host, seen):
        pin = resolve.model(Role.EMBED, "hf:o/r/m.gguf#refs/pr/1", f"http://{host}", None)
        assert (pin.file, pin.revision) == ("m.gguf", COMMIT)
        assert [request.path for request in seen] == ["/o/r/resolve/refs%2Fpr%2F1/m.gguf"]


def test_deploying_needs_no_further_package() -> None:
    modules = "qmd_modal.resolve, qmd_modal.deployment, qmd_modal.container"
    # -S and -E leave out whatever is installed.
    subprocess.run([sys.executable, "-SE", "-c", f"import {modules}"], cwd=ROOT, check=True)


def test_a_hub_without_facts_is_refused() -> None:
    with (
        loopback(lambda _: Reply(200, {"ETag": '"abc"'})) as (host, _),
        pytest.raises(ResolveError, match="SHA-256"),
    ):
        resolve.model(Role.EMBED, "hf:o/r/m.gguf", f"http://{host}", None)


@pytest.mark.parametrize("source", ["hf:", "hf:o/r", "hf:o/r/a/b.gguf", "/absent.gguf", ""])
def test_model_sources_are_checked(source: str) -> None:
    with pytest.raises(ResolveError):
        resolve.model(Role.EMBED, source, "http://127.0.0.1:9", None)


def test_local_files_are_hashed(tmp_path: Path) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(CONTENT)
    pin = resolve.model(Role.EMBED, str(path), "http://127.0.0.1:9", None)
    assert (pin.path, pin.sha256, pin.repo) == (str(path), SHA256, None)


def test_the_resolver_as_a_program(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(CONTENT)

    def run(wanted: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "qmd_modal.resolve"],
            input=json.dumps(wanted),
            capture_output=True,
            text=True,
            timeout=60,
            cwd=ROOT,
            check=False,
        )

    with loopback(registry) as (host, _):
        wanted = {
            "image": f"{host}/org/name:cuda",
            "models": {"embed": str(tmp_path / "m.gguf")},
        }
        done = run(wanted)
        assert done.returncode == 0, done.stderr
        pinned = json.loads(done.stdout)
        assert pinned["image"] == f"{host}/org/name@{DIGEST}"
        assert [model["sha256"] for model in pinned["models"]] == [SHA256]
        for wrong in ({**wanted, "models": {"x": "y"}}, {**wanted, "models": {"embed": "/x"}}, []):
            done = run(wrong)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.startswith("error: ")
            assert done.stderr.count("\n") == 1


def hub_pin(place: Path, **more: str) -> dict[str, str]:
    place = place / "embed" / "m.gguf"
    facts = {"repo": "o/r", "revision": COMMIT, "file": "m.gguf", "sha256": SHA256}
    return {**facts, "place": str(place), **more}


def test_a_model_is_fetched_and_verified(tmp_path: Path) -> None:
    with loopback(hub) as (host, seen):
        pin = hub_pin(tmp_path, repo="o/gated")
        bake.bake(pin, f"http://{host}", "hf_t", pause=0)
        assert Path(pin["place"]).read_bytes() == CONTENT
        assert seen[0].path == f"/o/gated/resolve/{COMMIT}/m.gguf"
        with pytest.raises(ValueError, match="pinned"):
            bake.bake({**pin, "sha256": "0" * 64}, f"http://{host}", "hf_t", pause=0)
        assert list(Path(pin["place"]).parent.iterdir()) == []


def test_a_broken_download_is_tried_again(tmp_path: Path) -> None:
    replies = [Reply(503), Reply(body=CONTENT[:10], cut=10), Reply(body=CONTENT)]
    with loopback(lambda _: replies.pop(0)) as (host, _):
        bake.bake(hub_pin(tmp_path), f"http://{host}", None, pause=0)
    assert not replies
    with (
        loopback(lambda _: Reply(404)) as (host, seen),
        pytest.raises(OSError, match="404"),
    ):
        bake.bake(hub_pin(tmp_path), f"http://{host}", None, pause=0)
    assert len(seen) == 4


def test_the_baker_as_a_program(tmp_path: Path) -> None:
    local = tmp_path / "l.gguf"
    local.write_bytes(CONTENT)
    script = str(ROOT / "qmd_modal" / "bake.py")

    def run(host: str, *pins: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-I", script, *map(json.dumps, pins)],
            env={**os.environ, "HF_ENDPOINT": f"http://{host}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    with loopback(hub) as (host, _):
        pins = (hub_pin(tmp_path), {"place": str(local), "sha256": SHA256})
        done = run(host, *pins)
        assert (done.returncode, done.stdout.count(SHA256)) == (0, 2), done.stderr
        done = run(host, {"place": str(local), "sha256": "0" * 64})
        assert done.returncode == 1
        assert "pinned" in done.stderr
