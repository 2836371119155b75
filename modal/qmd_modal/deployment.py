"""What is deployed to Modal, read from `QMD_MODAL_*` when `serve.py` is imported: by `modal deploy`
on the user's machine, and once more in the container, which is given the same variables."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from .role import Role
from .settings import SettingsError, is_sha256

PORT = 8000

# The llama.cpp project's own server image with CUDA, on GitHub's container registry.
DEFAULT_IMAGE = "ghcr.io/ggml-org/llama.cpp:server-cuda"

ROUTING_REGIONS = ("us-east", "us-west", "eu-west", "ap-south")
COMPUTE_REGIONS = frozenset(
    """
    us eu ap uk ca me sa af mx
    us-east us-central us-south us-west eu-west eu-north eu-south
    ap-northeast ap-southeast ap-south ap-melbourne jp au
    """.split()
)

_MODELS = PurePosixPath("/models")
_GPU = re.compile(r"[A-Z][A-Z0-9-]*(:[1-8])?!?")
_APP = re.compile(r"[a-z0-9][a-z0-9-]{0,40}")
_PINNED = re.compile(r"\S+@sha256:[0-9a-f]{64}")
_REVISION = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class BakedModel:
    """A model file inside the image."""

    role: Role
    file: str
    sha256: str
    repo: str | None = None
    """`owner/name` on the hub, with `revision`, a commit. Else `path`, a file of the deployer's."""
    revision: str | None = None
    path: str | None = None

    @property
    def place(self) -> str:
        """Where it lies in the image."""
        return str(_MODELS / self.role.value / self.file)

    def pin(self) -> dict[str, Any]:
        """As JSON, without what is absent."""
        fields = {**vars(self), "role": self.role.value}
        return {key: value for key, value in fields.items() if value is not None}


@dataclass(frozen=True)
class Deployment:
    """Everything that `serve.py` passes on to Modal. Times in seconds."""

    app: str
    image: str
    models: tuple[BakedModel, ...]
    gpu: str
    routing_region: str
    compute_region: str | None
    min_containers: int
    max_containers: int
    scaledown_window: int
    startup_timeout: int
    target_concurrency: int | None
    max_concurrency: int
    cpu: float
    memory: int
    """MiB."""
    snapshot: bool
    llama_server: str

    def server_options(self) -> dict[str, Any]:
        """Arguments of `@app.server`, but for image and environment."""
        return {
            "gpu": self.gpu,
            "cpu": self.cpu,
            "memory": self.memory,
            "port": PORT,
            "routing_region": self.routing_region,
            "compute_region": self.compute_region,
            "min_containers": self.min_containers,
            "max_containers": self.max_containers,
            "scaledown_window": self.scaledown_window,
            "startup_timeout": self.startup_timeout,
            "exit_grace_period": 15,
            "target_concurrency": self.target_concurrency,
            "max_concurrency": self.max_concurrency,
            "enable_memory_snapshot": self.snapshot,
            "experimental_options": {"enable_gpu_snapshot": True} if self.snapshot else None,
        }

    def container_env(self, env: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Environment of the container: what the gateway reads, and what this module reads."""
        wanted = {key: value for key, value in env.items() if key.startswith("QMD_MODAL_")}
        wanted["QMD_LLAMA_SERVER"] = self.llama_server
        wanted["QMD_STARTUP_TIMEOUT"] = str(self.startup_timeout)
        for model in self.models:
            wanted[f"QMD_{model.role.name}_MODEL"] = model.place
            # Verified when the image was built: no need to read gigabytes at every start.
            wanted[f"QMD_{model.role.name}_SHA256"] = model.sha256
        return wanted


def from_env(env: Mapping[str, str] = os.environ) -> Deployment:
    """Reads and checks `QMD_MODAL_*`.

    Raises:
        SettingsError: a variable is missing or unusable. Modal itself checks few of them before
            they cost money.
    """
    read = _Reader(env)
    image = read.matching("IMAGE", _PINNED, "", "a reference pinned as NAME@sha256:DIGEST")
    compute = read.text("COMPUTE_REGION", "")
    if compute and compute not in COMPUTE_REGIONS:
        raise read.wrong("COMPUTE_REGION", compute, "one of " + " ".join(sorted(COMPUTE_REGIONS)))
    most = read.integer("MAX_CONTAINERS", 1, 1, 100)
    least = read.integer("MIN_CONTAINERS", 0, 0, most)
    concurrency = read.integer("CONCURRENCY", 32, 1, 1000)
    return Deployment(
        app=read.matching("APP", _APP, "qmd", "lower-case letters, digits and dashes"),
        image=image,
        models=_models(read.text("MODELS", "[]")),
        gpu=read.matching("GPU", _GPU, "T4", "a GPU name such as T4 or L4"),
        routing_region=read.one_of("REGION", ROUTING_REGIONS),
        compute_region=compute or None,
        min_containers=least,
        max_containers=most,
        scaledown_window=read.integer("SCALEDOWN_WINDOW", 15, 2, 3600),
        startup_timeout=read.integer("STARTUP_TIMEOUT", 600, 30, 3600),
        # Unset, Modal never runs more than one container, and can still replace it gracefully.
        target_concurrency=concurrency if most > 1 else None,
        max_concurrency=2 * concurrency,
        cpu=float(read.integer("CPU", 2, 1, 64)),
        memory=read.integer("MEMORY", 4096, 512, 262_144),
        snapshot=read.one_of("SNAPSHOT", ("0", "1")) == "1",
        llama_server=read.text("LLAMA_SERVER", "/app/llama-server"),
    )


def _models(text: str) -> tuple[BakedModel, ...]:
    try:
        models = tuple(_model(entry) for entry in json.loads(text))
    except (ValueError, TypeError, AttributeError) as error:
        raise SettingsError(f"QMD_MODAL_MODELS is no list of pinned models: {error}") from None
    if not models or len({model.role for model in models}) != len(models):
        raise SettingsError("QMD_MODAL_MODELS must name at least one model, and one a role")
    return models


def _model(entry: dict[str, Any]) -> BakedModel:
    model = BakedModel(**{**entry, "role": Role(entry.get("role"))})
    hub = bool(model.repo and _REVISION.fullmatch(model.revision or ""))
    if hub == bool(model.path):
        raise ValueError("a model has repo and revision (a commit), or path")
    if not is_sha256(model.sha256):
        raise ValueError(f"sha256 of {model.file} is no SHA-256 in lower-case hex")
    if not re.fullmatch(r"[\w.-]+\.gguf", model.file):
        raise ValueError(f"file {model.file!r} is no plain name of a .gguf file")
    return model


class _Reader:
    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env

    def text(self, name: str, default: str) -> str:
        return self.env.get("QMD_MODAL_" + name) or default

    def integer(self, name: str, default: int, least: int, most: int) -> int:
        text = self.text(name, str(default))
        if not text.isdecimal() or not least <= int(text) <= most:
            raise self.wrong(name, text, f"a whole number from {least} to {most}")
        return int(text)

    def one_of(self, name: str, choices: tuple[str, ...]) -> str:
        """One of the choices; the first is the default."""
        text = self.text(name, choices[0])
        if text not in choices:
            raise self.wrong(name, text, "one of " + " ".join(choices))
        return text

    def matching(self, name: str, pattern: re.Pattern[str], default: str, what: str) -> str:
        text = self.text(name, default)
        if not pattern.fullmatch(text):
            raise self.wrong(name, text, what)
        return text

    def wrong(self, name: str, text: str, what: str) -> SettingsError:
        return SettingsError(f"QMD_MODAL_{name} is {text!r}, but must be {what}")
