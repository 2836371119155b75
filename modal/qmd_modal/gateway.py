"""The ASGI application: the contract towards callers, llama-server behind it."""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import sys
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from pydantic_core import to_json

from . import __version__, contract, inference
from .bodies import ClientGone, Incoming, decompress
from .contract import CONTRACT, ContractError, Reason
from .llama import LlamaServer, Unreachable
from .role import Role
from .settings import GatewaySettings

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_DRAIN = 4
"""How many times the limit of a body is read and dropped before a refusal is sent."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Children(Protocol):
    """What the gateway needs of the supervisor."""

    def server(self, role: Role) -> LlamaServer:
        """A server ready for use, else a `ContractError`."""

    async def identity(self, role: Role) -> str:
        """SHA-256 of the role's model file."""

    async def health(self, *, exercise: bool = False) -> Any:
        """A `Health`."""

    async def describe(self) -> dict[str, Any]:
        """`llama_server` and `models` of `/v1/info`."""


class Gateway:
    """The application. One instance per process."""

    def __init__(self, children: Children, settings: GatewaySettings) -> None:
        self._children = children
        self._settings = settings
        self._in_flight: Counter[Role] = Counter()
        self._posts = {
            "/v1/embed": self._embed,
            "/v1/rerank": self._rerank,
            "/v1/generate": self._generate,
            "/v1/tokenize": self._tokenize,
            "/v1/detokenize": self._detokenize,
        }

    def in_flight(self, role: Role) -> int:
        """How many calls are under way for a role."""
        return self._in_flight[role]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry point."""
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        wanted = headers.get("x-request-id")
        usable = wanted is not None and _REQUEST_ID.fullmatch(wanted)
        request_id = wanted if usable else uuid.uuid4().hex
        incoming = Incoming(receive)
        extra: dict[str, str] = {}
        try:
            try:
                if wanted is not None and not usable:
                    message, field = "x-request-id is malformed", "x-request-id"
                    raise ContractError(Reason.INVALID_ARGUMENT, message, field=field)
                status, body = await self._answer(scope, headers, incoming)
            except ContractError as error:
                await incoming.drain(_DRAIN * self._settings.body_bytes)
                status, body, extra = error.reason.status, {"error": error.body()}, _headers(error)
        except ClientGone:
            return
        except Exception:  # a defect: the caller gets its id, the log gets the trace
            print(f"[gateway] request {request_id} failed", file=sys.stderr)
            traceback.print_exc()
            error = ContractError(Reason.INTERNAL, f"the gateway failed, see its log: {request_id}")
            status, body = error.reason.status, {"error": error.body()}
        await _respond(send, status, body, {"x-request-id": request_id, **extra})

    async def _answer(
        self, scope: Scope, headers: dict[str, str], incoming: Incoming
    ) -> tuple[int, Any]:
        path, method = scope["path"], scope["method"]
        if path == "/health":
            self._expect(method, "GET")
            exercise = scope["query_string"] == b"exercise=1"
            health = await self._children.health(exercise=exercise)
            return (503 if health.error else 200), health.body()
        self._authorize(headers.get("authorization", ""))
        handler = self._posts.get(path)
        if handler is None and path != "/v1/info":
            raise ContractError(Reason.NOT_FOUND, f"there is no {path}")
        self._expect(method, "GET" if handler is None else "POST")
        _check_contract(headers.get("x-qmd-contract"))
        if handler is None:
            return 200, await self._info()
        arrived = time.monotonic()
        body = await self._read(headers, incoming)
        return 200, await _unless_gone(handler(body, arrived), incoming)

    async def _info(self) -> dict[str, Any]:
        limits = {
            "body_bytes": self._settings.body_bytes,
            "items": self._settings.items,
            "in_flight": self._settings.in_flight,
        }
        facts = await self._children.describe()
        return {"contract": CONTRACT, "gateway": __version__, "limits": limits, **facts}

    async def _embed(self, body: bytes, _: float) -> Any:
        request = contract.parse(contract.EmbedRequest, body)
        self._check_items("texts", request.texts)
        with self._place(Role.EMBED) as server:
            vectors, tokens = await inference.embed(server, request.texts)
            return {
                "dimensions": server.dimensions,
                "encoding": "f32le-base64",
                "embeddings": [base64.b64encode(vector).decode() for vector in vectors],
                "tokens": tokens,
                "model": await self._children.identity(Role.EMBED),
            }

    async def _rerank(self, body: bytes, _: float) -> Any:
        request = contract.parse(contract.RerankRequest, body)
        self._check_items("documents", request.documents)
        with self._place(Role.RERANK) as server:
            scores, cut = await inference.rerank(server, request)
            identity = await self._children.identity(Role.RERANK)
            return {"scores": scores, "cut": cut, "model": identity}

    async def _generate(self, body: bytes, arrived: float) -> Any:
        request = contract.parse(contract.GenerateRequest, body)
        limit = request.deadline_ms
        deadline = None if limit is None else arrived + limit / 1000
        with self._place(Role.GENERATE) as server:
            made = await inference.generate(server, request, deadline)
            return {
                "text": made.text,
                "tokens": made.tokens,
                "finish": made.finish,
                "model": await self._children.identity(Role.GENERATE),
            }

    async def _tokenize(self, body: bytes, _: float) -> Any:
        request = contract.parse(contract.TokenizeRequest, body)
        self._check_items("texts", request.texts)
        with self._place(request.role) as server:
            items = await server.tokenize(request.texts, add_special=request.add_special)
            return {"items": items, "model": await self._children.identity(request.role)}

    async def _detokenize(self, body: bytes, _: float) -> Any:
        request = contract.parse(contract.DetokenizeRequest, body)
        self._check_items("items", request.items)
        with self._place(request.role) as server:
            texts = await inference.detokenize(server, request.items)
            return {"texts": texts, "model": await self._children.identity(request.role)}

    @contextmanager
    def _place(self, role: Role) -> Iterator[LlamaServer]:
        """A place among the calls in flight for the role, and its server. llama-server queues by
        itself: the gateway only bounds how much."""
        server = self._children.server(role)
        limit = self._settings.in_flight
        if self._in_flight[role] >= limit:
            message = f"{limit} calls are in flight for {role.value}"
            raise ContractError(Reason.OVERLOADED, message, role=role.value, limit=limit)
        self._in_flight[role] += 1
        try:
            yield server
        except Unreachable as error:
            message = f"the {role.value} server went away: {error}"
            raise ContractError(Reason.CHILD_RESTARTING, message, role=role.value) from None
        finally:
            self._in_flight[role] -= 1

    async def _read(self, headers: dict[str, str], incoming: Incoming) -> bytes:
        """The request's body, decompressed, within the limit."""
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            raise ContractError(Reason.UNSUPPORTED_MEDIA, "content-type is not application/json")
        limit = self._settings.body_bytes
        body = await incoming.read(limit)
        encoding = headers.get("content-encoding", "").strip().lower()
        return decompress(body, encoding, limit)

    def _authorize(self, header: str) -> None:
        token = self._settings.token
        if token is None:
            return
        scheme, _, given = header.partition(" ")
        equal = hmac.compare_digest(given.strip().encode("latin-1"), token.encode())
        if scheme.lower() != "bearer" or not equal:
            raise ContractError(Reason.UNAUTHORIZED, "the bearer token is missing or wrong")

    def _check_items(self, field: str, items: list[Any]) -> None:
        if len(items) > self._settings.items:
            message = f"{field}: {len(items)} items, at most {self._settings.items} are taken"
            raise ContractError(Reason.INVALID_ARGUMENT, message, field=field)

    @staticmethod
    def _expect(method: str, expected: str) -> None:
        if method != expected:
            raise ContractError(Reason.METHOD_NOT_ALLOWED, f"only {expected} is taken")


async def _unless_gone(work: Awaitable[Any], incoming: Incoming) -> Any:
    """The work's result; cancels it when the client closes its connection."""
    task, watch = asyncio.ensure_future(work), asyncio.ensure_future(incoming.closed())
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return task.result()
    finally:
        watch.cancel()
        task.cancel()


def _check_contract(version: str | None) -> None:
    if version != str(CONTRACT):
        message = f"x-qmd-contract is {version or 'absent'}, this gateway speaks {CONTRACT}"
        raise ContractError(Reason.CONTRACT_MISMATCH, message, supported=[CONTRACT])


def _headers(error: ContractError) -> dict[str, str]:
    if error.reason is Reason.UNAUTHORIZED:
        return {"www-authenticate": "Bearer"}
    if error.reason is Reason.OVERLOADED:
        return {"retry-after": "1"}
    return {}


async def _respond(send: Send, status: int, body: Any, headers: dict[str, str]) -> None:
    content = to_json(body)
    headers = {
        "content-type": "application/json",
        "content-length": str(len(content)),
        "x-qmd-contract": str(CONTRACT),
        **headers,
    }
    raw = [(key.encode("latin-1"), value.encode("latin-1")) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": content})
