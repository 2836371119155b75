"""Keeps one llama-server per role alive, warm and watched."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from dataclasses import dataclass
from enum import Enum
from typing import Any

import aiohttp

from . import child, model
from .child import ChildProcess
from .contract import ContractError, Reason
from .llama import LlamaServer, Unreachable
from .role import Role
from .settings import ModelSettings, Settings

_POLL = 0.05
"""Seconds between two looks at a server that is loading."""

_WATCH_EVERY, _WATCH_TIMEOUT, _WATCH_MISSES = 5.0, 5.0, 3
"""A server that fails this many looks in a row hangs, and is killed."""

_BACK_OFF, _BACK_OFF_MOST = 0.2, 30.0
"""Seconds before the first restart in a row, doubled each time."""

_SETTLED = 60.0
"""Seconds of service after which a crash counts as the first again."""

_FIRST_TRIES = 3
"""Crashes before the first answer that make the start a failure."""


class State(str, Enum):
    """Of a child."""

    STARTING = "starting"
    READY = "ready"
    RESTARTING = "restarting"


class StartFailed(Exception):
    """A server never came up. The message has its last words."""


@dataclass
class Health:
    """What `/health` reports."""

    status: str
    children: dict[str, dict[str, Any]]
    error: ContractError | None

    def body(self) -> dict[str, Any]:
        """The response body."""
        error = {"error": self.error.body()} if self.error else {}
        return {"status": self.status, "children": self.children, **error}


class Keeper:
    """Keeps one role's server: starts it, warms it up, starts it anew when it dies or hangs."""

    def __init__(
        self, settings: Settings, role_settings: ModelSettings, http: aiohttp.ClientSession
    ) -> None:
        self.model = model.load(role_settings)
        self.state = State.STARTING
        self.restarts = 0
        self.last_exit: str | None = None
        self.first_ready = asyncio.Event()
        self._llama = settings.llama
        port = child.usable_port(role_settings.port)
        self._command = child.command(settings.llama, role_settings, self.model, port)
        self._process: ChildProcess | None = None
        self.server = LlamaServer(
            http, f"http://127.0.0.1:{port}", self.model, settings.gateway.upstream_timeout
        )

    @property
    def name(self) -> str:
        """The role, for messages."""
        return self.model.role.value

    @property
    def pid(self) -> int:
        """The running process's id; 0 between two."""
        return self._process.pid if self._process else 0

    async def keep(self) -> None:
        """Runs until cancelled.

        Raises:
            StartFailed: the server never came up.
        """
        in_a_row = 0
        while True:
            started = time.monotonic()
            last_lines = await self._live()
            if not self.first_ready.is_set() and self.restarts + 1 >= _FIRST_TRIES:
                words = "\n".join(f"  {line}" for line in last_lines)
                raise StartFailed(
                    f"the {self.name} server does not come up ({self.last_exit}); "
                    f"its last words:\n{words}"
                )
            in_a_row = 0 if time.monotonic() - started > _SETTLED else in_a_row + 1
            pause = min(_BACK_OFF * 2 ** max(in_a_row - 1, 0), _BACK_OFF_MOST)
            _log(f"the {self.name} server ended ({self.last_exit}), restart in {pause:g} s")
            await asyncio.sleep(pause)
            self.restarts += 1

    async def _live(self) -> list[str]:
        """One life of the process, from start to end. Returns the last lines of its log."""
        process = await ChildProcess.start(self.name, self._command)
        self._process = process
        ended = asyncio.ensure_future(process.ended())
        service = asyncio.ensure_future(self._serve(process))
        try:
            await asyncio.wait({ended, service}, return_when=asyncio.FIRST_COMPLETED)
            if service.done():
                # It hangs, or did not come up in time.
                _log(f"the {self.name} server is killed: {service.exception()}")
                process.kill()
            self.last_exit = await ended
        except asyncio.CancelledError:
            await process.stop(self._llama.stop_grace)
            raise
        finally:
            service.cancel()
            if self.state is State.READY:
                self.state = State.RESTARTING
            self._process = None
        return list(process.last_lines)

    async def _serve(self, process: ChildProcess) -> None:
        """Waits until the server answers, then watches it. Returns only by raising."""
        deadline = time.monotonic() + self._llama.startup_timeout
        while not await self.server.healthy(_WATCH_TIMEOUT):
            if time.monotonic() > deadline:
                raise Unreachable(f"no answer within {self._llama.startup_timeout:g} s")
            await asyncio.sleep(_POLL)
        await self.server.prepare()
        _log(f"the {self.name} server is ready, process {process.pid}")
        self.state = State.READY
        self.first_ready.set()
        misses = 0
        while misses < _WATCH_MISSES:
            await asyncio.sleep(_WATCH_EVERY)
            misses = 0 if await self.server.healthy(_WATCH_TIMEOUT) else misses + 1
        raise Unreachable(f"it failed {misses} health checks in a row")

    async def check(self, timeout: float) -> bool:
        """Whether it answers now."""
        return self.state is State.READY and await self.server.healthy(timeout)

    async def exercise(self) -> None:
        """Runs one small input through the model; a server that cannot is killed, thus renewed."""
        if self.state is not State.READY or self._process is None:
            return
        process = self._process
        try:
            await self.server.prepare()
        except (ContractError, Unreachable) as error:
            _log(f"the {self.name} server fails its exercise and is killed: {error}")
            process.kill()
            if self.state is State.READY:
                self.state = State.RESTARTING

    def unavailable(self) -> ContractError:
        """Why it cannot be used now."""
        reason, what = Reason.CHILD_RESTARTING, f"is being restarted ({self.last_exit})"
        if not self.first_ready.is_set():
            reason, what = Reason.MODEL_LOADING, "is loading its model"
        return ContractError(reason, f"the {self.name} server {what}", role=self.name)

    def report(self, healthy: bool) -> dict[str, Any]:
        """Its line in `/health`."""
        state = State.RESTARTING if self.state is State.READY and not healthy else self.state
        return {"state": state.value, "restarts": self.restarts, "last_exit": self.last_exit}


class Supervisor:
    """All children. `async with` starts them in the background and stops them at the end."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.stopping = False
        self._build = ""
        self.hashes: dict[Role, asyncio.Future[str]] = {}
        self.keepers: dict[Role, Keeper] = {}
        self._http: aiohttp.ClientSession | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Supervisor:
        self._build = await child.build_of(self.settings.llama.binary)
        # Below the 5 s after which llama-server closes an idle connection. Unlimited: the gateway
        # bounds the calls.
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=4)
        self._http = aiohttp.ClientSession(
            connector=connector, headers={"content-type": "application/json"}
        )
        try:
            for role, role_settings in self.settings.models.items():
                self.keepers[role] = Keeper(self.settings, role_settings, self._http)
                self.hashes[role] = asyncio.ensure_future(_identity(role_settings))
        except BaseException:
            await self._http.close()
            raise
        self._tasks = [asyncio.ensure_future(keeper.keep()) for keeper in self.keepers.values()]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stopping = True
        for task in (*self._tasks, *self.hashes.values()):
            task.cancel()
        await asyncio.gather(*self._tasks, *self.hashes.values(), return_exceptions=True)
        assert self._http is not None
        await self._http.close()

    async def ready(self) -> None:
        """Returns when every child has answered once.

        Raises:
            StartFailed: one never will.
        """
        waits = [asyncio.ensure_future(k.first_ready.wait()) for k in self.keepers.values()]
        all_ready = asyncio.ensure_future(asyncio.gather(*waits))
        try:
            await asyncio.wait({all_ready, *self._tasks}, return_when=asyncio.FIRST_COMPLETED)
            for task in self._tasks:
                if task.done():
                    task.result()
        finally:
            all_ready.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await all_ready

    def server(self, role: Role) -> LlamaServer:
        """The role's server, ready to be used.

        Raises:
            ContractError: it is absent, or not up.
        """
        if self.stopping:
            raise ContractError(Reason.SHUTTING_DOWN, "the gateway is ending")
        keeper = self.keeper(role)
        if keeper.state is not State.READY:
            raise keeper.unavailable()
        return keeper.server

    def keeper(self, role: Role) -> Keeper:
        """The role's keeper.

        Raises:
            ContractError: the role is absent.
        """
        if role not in self.keepers:
            raise ContractError(
                Reason.MODEL_NOT_CONFIGURED, f"no {role.value} model is here", role=role.value
            )
        return self.keepers[role]

    async def health(self, *, exercise: bool = False, timeout: float = 2.0) -> Health:
        """Asks every child now; with `exercise`, first has each do a little work."""
        keepers = list(self.keepers.values())
        if exercise:
            await asyncio.gather(*(keeper.exercise() for keeper in keepers))
        answers = await asyncio.gather(*(keeper.check(timeout) for keeper in keepers))
        children = {k.name: k.report(ok) for k, ok in zip(keepers, answers, strict=True)}
        down = [keeper for keeper, ok in zip(keepers, answers, strict=True) if not ok]
        if self.stopping:
            error = ContractError(Reason.SHUTTING_DOWN, "the gateway is ending")
            return Health("stopping", children, error)
        if not down:
            return Health("ready", children, None)
        loading = any(not keeper.first_ready.is_set() for keeper in keepers)
        return Health("starting" if loading else "degraded", children, down[0].unavailable())

    async def identity(self, role: Role) -> str:
        """SHA-256 of the role's model file, once it is computed."""
        return await asyncio.shield(self.hashes[role])

    async def describe(self) -> dict[str, Any]:
        """`llama_server` and `models` of `/v1/info`.

        Raises:
            ContractError: a model has not been loaded yet.
        """
        for keeper in self.keepers.values():
            if not keeper.first_ready.is_set():
                raise keeper.unavailable()
        models = {
            keeper.name: _facts(keeper, await self.identity(role))
            for role, keeper in self.keepers.items()
        }
        return {"llama_server": self._build, "models": models}


def _facts(keeper: Keeper, sha256: str) -> dict[str, Any]:
    about, server = keeper.model, keeper.server
    facts = {
        "file": about.path.name,
        "bytes": about.size,
        "sha256": sha256,
        "architecture": about.architecture,
        "name": about.name,
        "n_ctx": about.window,
        "n_vocab": server.vocabulary.size,
        "dimensions": server.dimensions,
        "chat_template": about.chat_template,
    }
    return {**facts, "scoring": about.scoring} if about.scoring else facts


async def _identity(settings: ModelSettings) -> str:
    if settings.sha256:
        return settings.sha256
    return await asyncio.to_thread(model.file_sha256, settings.path)


def _log(message: str) -> None:
    print(f"[supervisor] {message}", file=sys.stderr, flush=True)
