"""`python -m qmd_modal` as a process: what it prints, how it answers over TCP, how it ends."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qmd_modal.role import Role

from .support import FAKE, Json, alive, tiny_model

ROOT = Path(__file__).parents[1]
USUAL = {"x-qmd-contract": "1", "content-type": "application/json"}


class Gateway:
    """A running gateway."""

    def __init__(self, process: subprocess.Popen[str], listening: Json) -> None:
        self.process = process
        self.pid: int = listening["pid"]
        self.port = int(listening["url"].rpartition(":")[2])
        assert listening["url"].startswith("http://127.0.0.1:")

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def event(self) -> Json:
        """The next line on its standard output."""
        assert self.process.stdout is not None
        readable, _, _ = select.select([self.process.stdout], [], [], 30)
        assert readable, "nothing is said"
        return json.loads(self.process.stdout.readline())

    def children(self) -> list[int]:
        return [int(pid) for pid in _children_file(self.pid).read_text().split()]


def _children_file(pid: int) -> Path:
    return Path(f"/proc/{pid}/task/{pid}/children")


def ask(connection: http.client.HTTPConnection, body: Any, path: str = "/v1/embed") -> Json:
    connection.request("POST", path, json.dumps(body).encode(), USUAL)
    reply = connection.getresponse()
    return {"status": reply.status, **json.loads(reply.read())}


def environment(folder: Path, notes: Json | None = None, **more: str) -> dict[str, str]:
    env = {key: value for key, value in os.environ.items() if not key.startswith("QMD_")}
    # Beside it, whatever the tests' own packages come from.
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    env |= {"QMD_LLAMA_SERVER": str(FAKE), "QMD_STOP_GRACE": "1", "PYTHONPATH": path}
    for role in Role:
        env[f"QMD_{role.name}_MODEL"] = str(tiny_model(folder, role, notes))
        env[f"QMD_{role.name}_PORT"] = "0"
    return {**env, **more}


@contextlib.contextmanager
def gateway(folder: Path, *arguments: str, **more: Any) -> Iterator[Gateway]:
    command = [sys.executable, "-m", "qmd_modal", *arguments]
    with subprocess.Popen(
        command, env=environment(folder, **more), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            listening = json.loads(process.stdout.readline())
            assert listening.pop("event") == "listening"
            yield Gateway(process, listening)
        finally:
            process.terminate()
            process.wait(20)


def test_it_says_where_it_listens_and_when_it_is_ready(tmp_path: Path) -> None:
    with gateway(tmp_path, notes={"load_seconds": 1}) as running:
        connection = running.connect()
        connection.request("GET", "/health")
        reply = connection.getresponse()
        body = json.loads(reply.read())
        assert (reply.status, body["error"]["reason"]) == (503, "MODEL_LOADING")
        assert ask(connection, {"texts": ["a"]})["status"] == 503
        ready = running.event()
        assert (ready["event"], ready["seconds"] >= 1) == ("ready", True)
        assert ask(connection, {"texts": ["a"]})["tokens"] == [3]


def test_many_calls_share_a_connection(tmp_path: Path) -> None:
    with gateway(tmp_path) as running:
        running.event()
        connection = running.connect()
        connection.connect()
        own = connection.sock
        for _ in range(200):
            assert ask(connection, {"texts": ["hello"]})["status"] == 200
        # Bad calls neither: an error is an answer.
        assert ask(connection, {"texts": [1]})["status"] == 400
        assert ask(connection, {}, "/v1/nothing")["status"] == 404
        assert connection.sock is own


def test_a_refusal_reaches_a_client_that_is_still_sending(tmp_path: Path) -> None:
    with gateway(tmp_path, QMD_GATEWAY_BODY_BYTES="5000000") as running:
        running.event()
        connection = running.connect()
        big = {"texts": ["x" * 12_000_000]}
        assert ask(connection, big)["error"]["reason"] == "BODY_TOO_LARGE"
        assert ask(connection, big, "/v1/nothing")["error"]["reason"] == "NOT_FOUND"
        assert ask(connection, {"texts": ["x"]})["status"] == 200


def test_a_call_whose_client_has_left_frees_its_place(tmp_path: Path) -> None:
    with gateway(tmp_path, QMD_GATEWAY_IN_FLIGHT="1") as running:
        running.event()
        body = {"prompt": "slow", "max_tokens": 4, "temperature": 0, "top_k": 0, "top_p": 1}
        body |= {"presence_penalty": 0, "seed": 0}
        leaving, staying = running.connect(), running.connect()
        leaving.request("POST", "/v1/generate", json.dumps(body).encode(), USUAL)
        quick = {**body, "prompt": "p"}
        while ask(staying, quick, "/v1/generate")["status"] != 429:
            pass
        left = time.monotonic()
        leaving.close()
        while ask(staying, quick, "/v1/generate")["status"] != 200:
            pass
        # The fake would have slept for three seconds.
        assert time.monotonic() - left < 2


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_its_children_cleanly(tmp_path: Path, number: int) -> None:
    with gateway(tmp_path) as running:
        running.event()
        children = running.children()
        assert len(children) == 3
        running.process.send_signal(number)
        assert running.process.wait(10) == 0
        assert not any(map(alive, children))


def test_a_call_under_way_is_finished_before_the_end(tmp_path: Path) -> None:
    with gateway(tmp_path) as running:
        running.event()
        connection = running.connect()
        body = {"prompt": "slow", "max_tokens": 4, "temperature": 0, "top_k": 0, "top_p": 1}
        body |= {"presence_penalty": 0, "seed": 0, "deadline_ms": 800}
        replies: list[Json] = []
        call = threading.Thread(
            target=lambda: replies.append(ask(connection, body, "/v1/generate"))
        )
        started = time.monotonic()
        call.start()
        while time.monotonic() - started < 0.3:
            assert running.process.poll() is None
            time.sleep(0.01)
        running.process.terminate()
        call.join(10)
        assert [reply["status"] for reply in replies] == [200]
        assert running.process.wait(10) == 0


def test_no_orphan_survives_a_killed_gateway(tmp_path: Path) -> None:
    with gateway(tmp_path) as running:
        running.event()
        children = running.children()
        running.process.kill()
        running.process.wait(10)
        end = time.monotonic() + 10
        while any(map(alive, children)):
            assert time.monotonic() < end, "a child has outlived the gateway"
            time.sleep(0.01)


def test_a_tethered_gateway_ends_with_its_starter(tmp_path: Path) -> None:
    starter = (
        "import os, subprocess, sys, time\n"
        "words = [sys.executable, '-m', 'qmd_modal', '--parent', str(os.getpid())]\n"
        "gateway = subprocess.Popen(words)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", starter],
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        pid = json.loads(process.stdout.readline())["pid"]
        assert json.loads(process.stdout.readline())["event"] == "ready"
        children = [int(child) for child in _children_file(pid).read_text().split()]
        process.kill()
        end = time.monotonic() + 10
        while any(map(alive, [pid, *children])):
            assert time.monotonic() < end, "the gateway has outlived its starter"
            time.sleep(0.01)


def failed(folder: Path, *arguments: str, **more: Any) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "qmd_modal", *arguments],
        env=environment(folder, **more),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def test_bad_settings_and_bad_models_end_it_with_one_line(tmp_path: Path) -> None:
    code, said = failed(tmp_path, QMD_EMBED_MODEL="/absent.gguf")
    assert (code, said) == (2, "error: QMD_EMBED_MODEL: /absent.gguf is no file\n")
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"<html>")
    code, said = failed(tmp_path, QMD_EMBED_MODEL=str(damaged))
    assert (code, said.count("\n")) == (1, 1)
    assert "damaged.gguf is no usable GGUF file" in said
    code, said = failed(tmp_path, notes={"exit_code": 3})
    assert code == 1
    assert "does not come up (exit 3)" in said
    with gateway(tmp_path) as running:
        code, said = failed(tmp_path, "--port", str(running.port))
        assert code == 1
        assert "in use" in said
        code, said = failed(tmp_path, QMD_EMBED_PORT=str(running.port))
        assert code == 1
        assert f"port {running.port} cannot be had" in said
    code, _ = failed(tmp_path, "--parent", "999999999")
    assert code == -signal.SIGTERM


def test_children_see_no_secrets(tmp_path: Path) -> None:
    with gateway(tmp_path, QMD_GATEWAY_TOKEN="s3cret", LLAMA_ARG_HOST="0.0.0.0") as running:
        running.event()
        for child in running.children():
            told = Path(f"/proc/{child}/environ").read_bytes()
            assert b"s3cret" not in told
            assert b"LLAMA_ARG_" not in told
            assert b"PATH=" in told
