"""The Modal app with the real `modal` package, offline: it imports, its decorators validate."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import modal
import pytest

from qmd_modal import deployment
from qmd_modal.container import GatewayProcess
from qmd_modal.role import Role
from qmd_modal.settings import SettingsError, from_env

from .support import FAKE, tiny_model

ROOT = Path(__file__).parents[1]
PIN = {"role": "embed", "file": "m.gguf", "sha256": "a" * 64, "repo": "o/r", "revision": "b" * 40}
ENV = {
    "QMD_MODAL_IMAGE": "host.test/org/name@sha256:" + "d" * 64,
    "QMD_MODAL_MODELS": json.dumps([PIN]),
}

PROBE = """
import json, sys, unittest.mock, modal
calls = []
real = modal.App.server
def noted(self, **options):
    image = options.pop("image")
    calls.append({"app": self.name, "image": image is not None, **options})
    return real(self, image=image, **options)
with unittest.mock.patch.object(modal.App, "server", noted):
    import serve
assert type(serve.Inference) is modal.Server, serve.Inference
print(json.dumps(calls))
"""


def import_app(folder: Path = ROOT, **more: str) -> subprocess.CompletedProcess[str]:
    """Imports `serve.py` in a process of its own, without credentials or network."""
    env = {
        key: value for key, value in os.environ.items() if not key.startswith(("QMD_", "MODAL_"))
    }
    env |= {"MODAL_CONFIG_PATH": "/nonexistent", "MODAL_SERVER_URL": "http://127.0.0.1:9"}
    return subprocess.run(
        [sys.executable, "-c", PROBE],
        env={**env, **ENV, **more},
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        check=False,
    )


def options(folder: Path = ROOT, **more: str) -> dict[str, Any]:
    done = import_app(folder, **more)
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    return found


def test_the_defaults_are_frugal() -> None:
    found = options()
    env = found.pop("env")
    assert found == {
        "app": "qmd",
        "name": "inference",
        "image": True,
        "gpu": "T4",
        "cpu": 2.0,
        "memory": 4096,
        "port": 8000,
        "routing_region": "us-east",
        "compute_region": None,
        "min_containers": 0,
        "max_containers": 1,
        "scaledown_window": 15,
        "startup_timeout": 600,
        "exit_grace_period": 15,
        "target_concurrency": None,
        "max_concurrency": 64,
        "enable_memory_snapshot": False,
        "experimental_options": None,
    }
    assert env["QMD_EMBED_MODEL"] == "/models/embed/m.gguf"
    assert env["QMD_EMBED_SHA256"] == "a" * 64
    assert env["QMD_LLAMA_SERVER"] == "/app/llama-server"
    assert env.items() >= ENV.items()


def test_everything_can_be_set(tmp_path: Path) -> None:
    local = tmp_path / "l.gguf"
    local.write_bytes(b"GGUF")
    models = [PIN, {"role": "rerank", "file": "l.gguf", "sha256": "c" * 64, "path": str(local)}]
    found = options(
        QMD_MODAL_MODELS=json.dumps(models),
        QMD_MODAL_APP="notes",
        QMD_MODAL_GPU="L4",
        QMD_MODAL_REGION="ap-south",
        QMD_MODAL_COMPUTE_REGION="ap",
        QMD_MODAL_MIN_CONTAINERS="1",
        QMD_MODAL_MAX_CONTAINERS="4",
        QMD_MODAL_SCALEDOWN_WINDOW="300",
        QMD_MODAL_STARTUP_TIMEOUT="900",
        QMD_MODAL_CONCURRENCY="16",
        QMD_MODAL_CPU="4",
        QMD_MODAL_MEMORY="8192",
        QMD_MODAL_SNAPSHOT="1",
        HF_TOKEN="hf_t",
    )
    assert (found["app"], found["gpu"], found["routing_region"]) == ("notes", "L4", "ap-south")
    assert (found["compute_region"], found["min_containers"]) == ("ap", 1)
    assert (found["max_containers"], found["target_concurrency"]) == (4, 16)
    assert (found["max_concurrency"], found["scaledown_window"]) == (32, 300)
    assert (found["startup_timeout"], found["cpu"], found["memory"]) == (900, 4.0, 8192)
    assert found["enable_memory_snapshot"] is True
    assert found["experimental_options"] == {"enable_gpu_snapshot": True}
    assert found["env"]["QMD_RERANK_MODEL"] == "/models/rerank/l.gguf"
    assert "HF_TOKEN" not in found["env"]


def test_the_container_imports_it_without_the_deployers_files(tmp_path: Path) -> None:
    """There it has but itself and the package."""
    shutil.copy(ROOT / "serve.py", tmp_path)
    shutil.copytree(ROOT / "qmd_modal", tmp_path / "qmd_modal")
    gone = [{"role": "embed", "file": "l.gguf", "sha256": "c" * 64, "path": "/gone/l.gguf"}]
    assert options(tmp_path, QMD_MODAL_MODELS=json.dumps(gone))["app"] == "qmd"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("IMAGE", ""),
        ("IMAGE", "host.test/org/name:server-cuda"),
        ("APP", "No Such App"),
        ("GPU", "t4; rm"),
        ("REGION", "eu"),
        ("COMPUTE_REGION", "moon"),
        ("MIN_CONTAINERS", "2"),
        ("MAX_CONTAINERS", "0"),
        ("SCALEDOWN_WINDOW", "1"),
        ("SCALEDOWN_WINDOW", "3601"),
        ("STARTUP_TIMEOUT", "10"),
        ("CONCURRENCY", "many"),
        ("SNAPSHOT", "yes"),
        ("MODELS", ""),
        ("MODELS", "[]"),
        ("MODELS", "{"),
        ("MODELS", json.dumps([PIN, PIN])),
        ("MODELS", json.dumps([{**PIN, "role": "x"}])),
        ("MODELS", json.dumps([{**PIN, "sha256": "x"}])),
        ("MODELS", json.dumps([{**PIN, "revision": "main"}])),
        ("MODELS", json.dumps([{**PIN, "path": "/x"}])),
        ("MODELS", json.dumps([{**PIN, "file": "../x.gguf"}])),
        ("MODELS", json.dumps([{**PIN, "more": 1}])),
        ("MODELS", json.dumps([{"role": "embed"}])),
        ("MODELS", "[1]"),
    ],
)
def test_refusals_name_the_variable(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match="QMD_MODAL_" + name):
        deployment.from_env({**ENV, "QMD_MODAL_" + name: value})


def test_a_deploy_without_credentials_fails_at_once() -> None:
    env = {
        key: value for key, value in os.environ.items() if not key.startswith(("QMD_", "MODAL_"))
    }
    done = subprocess.run(
        [sys.executable, "-m", "modal", "deploy", "serve.py"],
        env={**env, **ENV, "MODAL_CONFIG_PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        timeout=30,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 1
    # The app was imported and taken; only the token is missing.
    assert "Token missing" in done.stdout + done.stderr


def test_a_refused_setting_stops_the_deploy() -> None:
    done = import_app(QMD_MODAL_SCALEDOWN_WINDOW="5000")
    assert done.returncode != 0
    assert "QMD_MODAL_SCALEDOWN_WINDOW is '5000'" in done.stderr


@pytest.mark.parametrize(
    "wrong",
    [
        {"scaledown_window": 5000},
        {"routing_region": None, "scaledown_window": 1},
        {"min_containers": 3, "max_containers": 2},
    ],
)
def test_modals_decorator_validates_too(wrong: dict[str, Any]) -> None:
    class Server:
        @modal.enter()
        def start(self) -> None: ...

    with pytest.raises(modal.exception.InvalidError):
        modal.App("x").server(**wrong)(Server)


def test_what_the_container_is_told_is_what_the_gateway_reads(tmp_path: Path) -> None:
    """The two halves of the settings meet in the container's environment."""
    plan = deployment.from_env(ENV)
    told = plan.container_env(ENV)
    path = tiny_model(tmp_path, Role.EMBED)
    told |= {"QMD_EMBED_MODEL": str(path), "QMD_LLAMA_SERVER": str(FAKE)}
    settings = from_env(told)
    assert settings.models[Role.EMBED].sha256 == "a" * 64
    assert settings.llama.startup_timeout == plan.startup_timeout


@pytest.fixture
def fake_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("QMD_LLAMA_SERVER", str(FAKE))
    monkeypatch.setenv("QMD_EMBED_MODEL", str(tiny_model(tmp_path, Role.EMBED)))
    monkeypatch.setenv("QMD_EMBED_PORT", "0")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.mark.usefixtures("fake_children")
def test_the_shims_life_cycle() -> None:
    """What Modal's hooks run: start, exercise after a restore, stop at the end."""
    gateway = GatewayProcess(free_port(), 30)
    gateway.start()
    gateway.exercise()
    gateway.stop()
    with pytest.raises(RuntimeError, match="ended"):
        gateway.exercise()


@pytest.mark.usefixtures("fake_children")
def test_a_start_that_cannot_succeed_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_model(tmp_path, Role.EMBED, {"exit_code": 3})
    with pytest.raises(RuntimeError, match="ended"):
        GatewayProcess(free_port(), 30).start()
    tiny_model(tmp_path, Role.EMBED, {"load_seconds": 60})
    gateway = GatewayProcess(free_port(), 0.5)
    with pytest.raises(RuntimeError, match="not ready after"):
        gateway.start()
    gateway.stop()
    GatewayProcess(free_port(), 1).stop()
