"""The gateway answers every golden request as its file says."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest

from qmd_modal.contract import Reason
from qmd_modal.gateway import Gateway
from qmd_modal.role import Role
from qmd_modal.settings import GatewaySettings, Settings
from qmd_modal.supervisor import State, Supervisor

from .support import Json, call, fake_settings

CONTRACT = Path(__file__).parents[1] / "contract"
GOLDEN = {path.stem: json.loads(path.read_text()) for path in sorted(CONTRACT.glob("*.json"))}


def settings_of(setting: str, folder: Path) -> Settings:
    limits = {
        "guarded": GatewaySettings(token="s3cret"),
        "small": GatewaySettings(body_bytes=64),
        "busy": GatewaySettings(in_flight=0),
        "slow": GatewaySettings(upstream_timeout=0.3),
    }
    notes = {
        "failing": {"then": "fail"},
        "nonsense": {"then": "zeros"},
        "slow": {"then": "late"},
        "loading": {"load_seconds": 60},
    }
    return fake_settings(
        folder,
        roles=(Role.EMBED,) if setting == "none" else tuple(Role),
        notes=notes.get(setting),
        gateway=limits.get(setting),
        facts={"tiny__pooling_type": 0} if setting == "tiny-yes-no" else None,
    )


async def replay(setting: str, requests: dict[str, Json], folder: Path) -> Json:
    settings = settings_of(setting, folder)
    async with Supervisor(settings) as supervisor:
        app = Gateway(supervisor, settings.gateway)
        if setting != "loading":
            await supervisor.ready()
        if setting == "restarting":
            keeper = supervisor.keepers[Role.EMBED]
            keeper.state, keeper.restarts = State.RESTARTING, 1
            keeper.last_exit = "signal 9 (SIGKILL)"
        supervisor.stopping = setting == "stopping"
        replies = {}
        for name, request in requests.items():
            content = request.get("body_text", "").encode()
            if "body" in request:
                content = json.dumps(request["body"], ensure_ascii=False).encode()
            headers = {**request["headers"], "content-length": str(len(content))}
            replies[name] = await call(app, request["method"], request["path"], headers, content)
        return replies


@pytest.fixture(scope="session")
def replies(tmp_path_factory: pytest.TempPathFactory) -> Json:
    async def all_settings() -> Json:
        work = []
        for setting in sorted({golden["setting"] for golden in GOLDEN.values()}):
            requests = {n: g["request"] for n, g in GOLDEN.items() if g["setting"] == setting}
            work.append(replay(setting, requests, tmp_path_factory.mktemp(setting)))
        found: Json = {}
        for some in await asyncio.gather(*work):
            found |= some
        return found

    return asyncio.run(all_settings())


def same(expected: Any, actual: Any) -> bool:
    if expected == "*":
        return actual is not None
    if isinstance(expected, dict):
        return (
            isinstance(actual, dict)
            and expected.keys() == actual.keys()
            and all(same(value, actual[key]) for key, value in expected.items())
        )
    if isinstance(expected, list):
        return (
            isinstance(actual, list)
            and len(expected) == len(actual)
            and all(map(same, expected, actual))
        )
    if isinstance(expected, float):
        return isinstance(actual, (int, float)) and math.isclose(expected, actual, abs_tol=1e-6)
    return type(expected) is type(actual) and expected == actual


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, replies: Json) -> None:
    expected = GOLDEN[name]["response"]
    status, headers, body = replies[name]
    assert same(expected["body"], body), body
    assert status == expected["status"]
    assert expected["headers"].items() <= headers.items()
    assert GOLDEN[name]["name"] == name


def test_every_reason_has_a_golden_file() -> None:
    shown = {
        (reply["body"]["error"]["reason"], reply["status"], reply["body"]["error"]["retryable"])
        for reply in (golden["response"] for golden in GOLDEN.values())
        if "error" in reply["body"]
    }
    # A defect cannot be asked for; `test_gateway` shows its body.
    wanted = {(r.name, r.status, r.retryable) for r in Reason if r is not Reason.INTERNAL}
    assert shown == wanted


def test_the_specification_lists_every_reason() -> None:
    rows = [line for line in (CONTRACT / "README.md").read_text().splitlines() if "` | " in line]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    listed = {(c[1].strip("`"), int(c[0]), c[2] == "yes") for c in cells if c[0].isdecimal()}
    assert listed == {(reason.name, reason.status, reason.retryable) for reason in Reason}
