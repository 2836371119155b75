"""Children are started, watched, renewed and ended."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from qmd_modal import supervisor as module
from qmd_modal.contract import ContractError, Reason
from qmd_modal.gateway import Gateway
from qmd_modal.role import Role
from qmd_modal.supervisor import StartFailed, State, Supervisor

from .support import alive, fake_settings, post, until

EMBED = (Role.EMBED,)


def test_a_killed_child_is_renewed_and_its_callers_are_told(tmp_path: Path) -> None:
    async def main() -> None:
        settings = fake_settings(tmp_path, EMBED)
        async with Supervisor(settings) as supervisor:
            await supervisor.ready()
            app, keeper = Gateway(supervisor, settings.gateway), supervisor.keepers[Role.EMBED]
            killed, statuses = keeper.pid, []

            async def caller() -> None:
                """Calls until the child has been renewed, as a patient client does."""
                while True:
                    status, body = await post(app, "/v1/embed", {"texts": ["hello"]})
                    statuses.append(status)
                    if status == 200:
                        assert body["tokens"] == [7]
                        if keeper.restarts:
                            return
                    else:
                        error = body["error"]
                        assert (error["reason"], error["retryable"]) == ("CHILD_RESTARTING", True)
                    await asyncio.sleep(0.01)

            callers = [asyncio.ensure_future(caller()) for _ in range(8)]
            await until(lambda: statuses.count(200) > 50)
            os.kill(killed, signal.SIGKILL)
            await asyncio.gather(*callers)
            assert set(statuses) == {200, 503}
            assert keeper.last_exit == "signal 9 (SIGKILL)"
            assert keeper.pid != killed
            assert not alive(killed)
            health = await supervisor.health()
            assert (health.status, health.children["embed"]["restarts"]) == ("ready", 1)

    asyncio.run(main())


def test_crash_after_crash_backs_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        if seconds not in (module._POLL, module._WATCH_EVERY):
            pauses.append(seconds)
            seconds = 0
        await sleep(seconds)

    async def main() -> None:
        async with Supervisor(fake_settings(tmp_path, EMBED)) as supervisor:
            await supervisor.ready()
            keeper = supervisor.keepers[Role.EMBED]
            monkeypatch.setattr(module.asyncio, "sleep", noted)
            for crash in range(1, 4):
                while keeper.state is not State.READY:
                    await sleep(0.01)
                os.kill(keeper.pid, signal.SIGKILL)
                while keeper.restarts < crash:
                    await sleep(0.01)

    asyncio.run(main())
    assert pauses == [0.2, 0.4, 0.8]


def test_a_hanging_child_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_WATCH_EVERY", 0.05)
    monkeypatch.setattr(module, "_WATCH_TIMEOUT", 0.2)

    async def main() -> None:
        async with Supervisor(fake_settings(tmp_path, EMBED)) as supervisor:
            await supervisor.ready()
            keeper = supervisor.keepers[Role.EMBED]
            os.kill(keeper.pid, signal.SIGSTOP)
            health = await supervisor.health(timeout=0.1)
            assert (health.status, health.children["embed"]["state"]) == ("degraded", "restarting")
            await until(lambda: keeper.restarts == 1 and keeper.state is State.READY)
            assert keeper.last_exit == "signal 9 (SIGKILL)"

    asyncio.run(main())


def test_an_exercise_renews_what_cannot_work(tmp_path: Path) -> None:
    """As after a restore from a snapshot: the process answers, its model does not."""

    async def main() -> None:
        async with Supervisor(fake_settings(tmp_path, EMBED, {"then": "fail"})) as supervisor:
            await supervisor.ready()
            keeper = supervisor.keepers[Role.EMBED]
            assert (await supervisor.health()).status == "ready"
            health = await supervisor.health(exercise=True)
            assert (health.status, health.error.reason) == ("degraded", Reason.CHILD_RESTARTING)
            await until(lambda: keeper.restarts == 1 and keeper.state is State.READY)
            assert (await supervisor.health()).status == "ready"

    asyncio.run(main())


def test_a_model_that_never_loads_is_a_failed_start(tmp_path: Path) -> None:
    async def main() -> None:
        settings = fake_settings(tmp_path, EMBED, {"exit_code": 3})
        async with Supervisor(settings) as supervisor:
            with pytest.raises(StartFailed, match=r"embed.*\(exit 3\)(.|\n)*the model is damaged"):
                await supervisor.ready()

    asyncio.run(main())


def test_a_child_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    async def main() -> None:
        notes = {"load_seconds": 60}
        settings = fake_settings(tmp_path, EMBED, notes, startup_timeout=0.3)
        async with Supervisor(settings) as supervisor:
            with pytest.raises(StartFailed, match="SIGKILL"):
                await supervisor.ready()

    asyncio.run(main())


def test_loading_and_absent_roles_are_told_apart(tmp_path: Path) -> None:
    async def main() -> None:
        async with Supervisor(fake_settings(tmp_path, EMBED, {"load_seconds": 60})) as supervisor:
            with pytest.raises(ContractError) as caught:
                supervisor.server(Role.EMBED)
            assert caught.value.reason is Reason.MODEL_LOADING
            with pytest.raises(ContractError) as caught:
                supervisor.server(Role.RERANK)
            assert caught.value.reason is Reason.MODEL_NOT_CONFIGURED
            with pytest.raises(ContractError) as caught:
                await supervisor.describe()
            assert caught.value.reason is Reason.MODEL_LOADING
            assert (await supervisor.health()).status == "starting"

    asyncio.run(main())


@pytest.mark.parametrize("stubborn", [False, True])
def test_the_end_takes_every_child_along(tmp_path: Path, stubborn: bool) -> None:
    async def main() -> list[int]:
        notes = {"ignore_sigterm": stubborn}
        settings = fake_settings(tmp_path, notes=notes, stop_grace=0.3)
        async with Supervisor(settings) as supervisor:
            await supervisor.ready()
            pids = [keeper.pid for keeper in supervisor.keepers.values()]
            assert all(map(alive, pids))
        return pids

    assert not any(map(alive, asyncio.run(main())))


def test_hashes_are_taken_over_or_computed(tmp_path: Path) -> None:
    async def main() -> None:
        settings = fake_settings(tmp_path)
        embed = settings.models[Role.EMBED]
        object.__setattr__(embed, "sha256", "a" * 64)
        async with Supervisor(settings) as supervisor:
            await supervisor.ready()
            models = (await supervisor.describe())["models"]
            assert models["embed"]["sha256"] == "a" * 64
            assert models["rerank"]["sha256"] not in ("a" * 64, models["generate"]["sha256"])
            assert models == (await supervisor.describe())["models"]

    asyncio.run(main())
