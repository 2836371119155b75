"""Settings, read from the environment once, typed and checked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .role import Role

_PORTS = {Role.EMBED: 8081, Role.GENERATE: 8082, Role.RERANK: 8083}

POOLINGS = ("mean", "cls", "last")


class SettingsError(Exception):
    """A setting is missing or unusable. The message names the variable."""


@dataclass(frozen=True)
class ModelSettings:
    """One role's model and how its llama-server runs."""

    role: Role
    path: Path
    sha256: str | None = None
    """The file's hash where it was verified already; computed otherwise."""
    port: int = 0
    """0 takes a free one."""
    window: int = 2048
    """Most tokens of an input; the model's own window may be smaller."""
    parallel: int = 4
    """Sequences decoded together."""
    pooling: str | None = None
    """Overrules the file's pooling, for `embed`."""


@dataclass(frozen=True)
class LlamaSettings:
    """What all llama-servers share."""

    binary: Path
    gpu_layers: int = 99
    threads: int | None = None
    """Per server; llama.cpp decides when absent."""
    startup_timeout: float = 600.0
    """Seconds from start to the first answer."""
    stop_grace: float = 5.0
    """Seconds between SIGTERM and SIGKILL."""


@dataclass(frozen=True)
class GatewaySettings:
    """Limits of the gateway, and its token."""

    body_bytes: int = 32 << 20
    items: int = 512
    in_flight: int = 64
    """Calls at a time for one role."""
    upstream_timeout: float = 300.0
    """Seconds llama-server may take for one request."""
    token: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Settings:
    """Everything."""

    llama: LlamaSettings
    models: Mapping[Role, ModelSettings]
    gateway: GatewaySettings


def from_env(env: Mapping[str, str] = os.environ) -> Settings:
    """Reads `QMD_*`; the table is in the README.

    Raises:
        SettingsError: a variable is unusable, or no model is named.
    """
    read = _Reader(env)
    models = {role: model for role in Role if (model := _model(read, role))}
    if not models:
        raise SettingsError("set QMD_EMBED_MODEL, QMD_RERANK_MODEL or QMD_GENERATE_MODEL to a file")
    llama = LlamaSettings(
        binary=_binary(read.text("QMD_LLAMA_SERVER") or "llama-server"),
        gpu_layers=read.integer("QMD_GPU_LAYERS", LlamaSettings.gpu_layers, least=0),
        threads=read.integer("QMD_THREADS", 0, least=1) or None,
        startup_timeout=read.seconds("QMD_STARTUP_TIMEOUT", LlamaSettings.startup_timeout),
        stop_grace=read.seconds("QMD_STOP_GRACE", LlamaSettings.stop_grace),
    )
    gateway = GatewaySettings(
        body_bytes=read.integer("QMD_GATEWAY_BODY_BYTES", GatewaySettings.body_bytes, least=1),
        items=read.integer("QMD_GATEWAY_ITEMS", GatewaySettings.items, least=1),
        in_flight=read.integer("QMD_GATEWAY_IN_FLIGHT", GatewaySettings.in_flight, least=1),
        upstream_timeout=read.seconds("QMD_UPSTREAM_TIMEOUT", GatewaySettings.upstream_timeout),
        token=read.text("QMD_GATEWAY_TOKEN"),
    )
    return Settings(llama, models, gateway)


def _model(read: _Reader, role: Role) -> ModelSettings | None:
    prefix = f"QMD_{role.name}_"
    file = read.text(prefix + "MODEL")
    if not file:
        return None
    path = Path(file).expanduser()
    if not path.is_file():
        raise SettingsError(f"{prefix}MODEL: {path} is no file")
    sha256 = read.text(prefix + "SHA256")
    if sha256 and not is_sha256(sha256):
        raise SettingsError(f"{prefix}SHA256 is no SHA-256 in lower-case hex")
    pooling = read.text(prefix + "POOLING")
    if pooling and (role is not Role.EMBED or pooling not in POOLINGS):
        choices = ", ".join(POOLINGS)
        raise SettingsError(f"{prefix}POOLING: only QMD_EMBED_POOLING is known, one of {choices}")
    return ModelSettings(
        role=role,
        path=path,
        sha256=sha256,
        port=read.integer(prefix + "PORT", _PORTS[role], least=0),
        window=read.integer(prefix + "WINDOW", ModelSettings.window, least=8),
        parallel=read.integer(prefix + "PARALLEL", ModelSettings.parallel, least=1),
        pooling=pooling,
    )


def is_sha256(text: str) -> bool:
    """Whether it is 64 digits of lower-case hex."""
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def _binary(name: str) -> Path:
    found = shutil.which(Path(name).expanduser())
    if not found:
        raise SettingsError(f"QMD_LLAMA_SERVER: {name} is no executable")
    return Path(found).resolve()


class _Reader:
    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env

    def text(self, name: str) -> str | None:
        return self.env.get(name) or None

    def integer(self, name: str, default: int, least: int) -> int:
        return int(self._number(name, default, least, int))

    def seconds(self, name: str, default: float) -> float:
        return float(self._number(name, default, 0.0, float))

    def _number(self, name: str, default: float, least: float, kind: type) -> float:
        text = self.text(name)
        if text is None:
            return default
        try:
            value = kind(text)
        except ValueError:
            raise SettingsError(f"{name}: {text!r} is no number") from None
        if not least <= value < 2**62:
            raise SettingsError(f"{name}: {text} is out of range")
        return value
