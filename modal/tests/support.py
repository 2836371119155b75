"""What test files share: tiny model files, settings over the fake llama-server, ASGI calls."""

from __future__ import annotations

import asyncio
import json
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qmd_modal.gateway import Gateway
from qmd_modal.role import Role
from qmd_modal.settings import GatewaySettings, LlamaSettings, ModelSettings, Settings

FAKE = Path(__file__).with_name("fake_llama_server.py")

Json = dict[str, Any]


def gguf(pairs: dict[str, Any]) -> bytes:
    """A GGUF file of metadata alone."""
    parts = [b"GGUF", struct.pack("<IQQ", 3, 0, len(pairs))]
    parts += [_string(key) + _value(value) for key, value in pairs.items()]
    return b"".join(parts)


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _value(value: Any) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, list) and value and isinstance(value[0], int):
        return struct.pack(f"<IIQ{len(value)}i", 9, 5, len(value), *value)
    if isinstance(value, list):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(_string, value))
    return struct.pack("<I", 8) + _string(value)


def tiny_model(folder: Path, role: Role, notes: Json | None = None, **pairs: Any) -> Path:
    """The fake's model file for a role, with its behaviour beside it."""
    path = folder / f"tiny-{role.value}.gguf"
    facts = {
        "general.architecture": "tiny",
        "general.name": f"Tiny {role.value}",
        "tiny.context_length": 64,
        "tokenizer.ggml.model": "none",
    }
    if role is Role.RERANK:
        facts["tiny.pooling_type"] = 4
    path.write_bytes(gguf({**facts, **{key.replace("__", "."): v for key, v in pairs.items()}}))
    path.with_suffix(".json").write_text(json.dumps(notes or {}))
    return path


def fake_settings(
    folder: Path,
    roles: tuple[Role, ...] = tuple(Role),
    notes: Json | None = None,
    gateway: GatewaySettings | None = None,
    facts: Json | None = None,
    **llama: Any,
) -> Settings:
    """Settings over the fake. `notes` steer it in every role."""
    models = {
        role: ModelSettings(role, tiny_model(folder, role, notes, **(facts or {})))
        for role in roles
    }
    limits = {"startup_timeout": 20.0, "stop_grace": 2.0, **llama}
    return Settings(LlamaSettings(FAKE, **limits), models, gateway or GatewaySettings())


def scope(method: str, path: str, headers: Json) -> Json:
    """The ASGI scope of a request."""
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": query.encode(),
        "headers": [(key.encode("latin-1"), v.encode("latin-1")) for key, v in headers.items()],
    }


async def call(
    app: Gateway, method: str, path: str, headers: Json | None = None, content: bytes = b""
) -> tuple[int, dict[str, str], Json]:
    """One request straight into the application: status, headers, body."""
    incoming = [{"type": "http.request", "body": content, "more_body": False}]
    sent: list[Json] = []

    async def receive() -> Json:
        if incoming:
            return incoming.pop(0)
        return await asyncio.Future()  # the client stays

    async def send(message: Json) -> None:
        sent.append(message)

    await app(scope(method, path, headers or {}), receive, send)
    start, body = sent
    decoded = {key.decode(): value.decode() for key, value in start["headers"]}
    return start["status"], decoded, json.loads(body["body"])


async def post(app: Gateway, path: str, body: Any, **headers: str) -> tuple[int, Json]:
    """A well-formed call of the contract: status and body."""
    usual = {"x-qmd-contract": "1", "content-type": "application/json"}
    content = json.dumps(body, ensure_ascii=False).encode()
    status, _, reply = await call(app, "POST", path, {**usual, **headers}, content)
    return status, reply


async def until(condition: Callable[[], bool], limit: float = 20.0) -> None:
    """Waits for a condition, and fails when it does not come true."""
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "the condition did not come true"
        await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
