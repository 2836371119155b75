"""llama-server's answers are flattened, ordered and checked, whatever shape they come in."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from qmd_modal import model
from qmd_modal.contract import ContractError, GenerateRequest, Reason
from qmd_modal.llama import Generation, LlamaServer, Unreachable
from qmd_modal.role import Role
from qmd_modal.settings import ModelSettings

from .support import tiny_model

UNIT = [0.6, 0.8]
PACKED = struct.pack("<2f", *UNIT)
BASE64 = base64.b64encode(PACKED).decode()

Work = Callable[[LlamaServer], Awaitable[Any]]


def ask(folder: Path, role: Role, answer: Any, work: Work, status: int = 200, **facts: Any) -> Any:
    """Runs `work` against a server that answers everything alike."""

    async def handle(_: web.Request) -> web.Response:
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return web.Response(body=body, status=status)

    async def main() -> Any:
        runner = web.ServerRunner(web.Server(handle))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        (host, port), *_ = runner.addresses
        about = model.load(ModelSettings(role, tiny_model(folder, role, **facts)))
        async with aiohttp.ClientSession() as http:
            try:
                return await work(LlamaServer(http, f"http://{host}:{port}", about, 5))
            finally:
                await runner.cleanup()

    return asyncio.run(main())


def reason_of(folder: Path, role: Role, answer: Any, work: Work, status: int = 200) -> Reason:
    with pytest.raises(ContractError) as caught:
        ask(folder, role, answer, work, status)
    return caught.value.reason


@pytest.mark.parametrize(
    "answer",
    [
        {"data": [{"index": 0, "embedding": UNIT}, {"index": 1, "embedding": [-0.6, 0.8]}]},
        {"data": [{"index": 1, "embedding": [-0.6, 0.8]}, {"index": 0, "embedding": BASE64}]},
        [{"index": 1, "embedding": [[-0.6, 0.8]]}, {"index": 0, "embedding": [UNIT]}],
        [{"embedding": [[UNIT]]}, {"embedding": [-0.6, 0.8]}],
    ],
)
def test_vectors_come_in_several_shapes(tmp_path: Path, answer: Any) -> None:
    vectors = ask(tmp_path, Role.EMBED, answer, lambda server: server.embed([[1], [2]]))
    assert [struct.unpack("<2f", vector) for vector in vectors] == [
        pytest.approx(UNIT),
        pytest.approx([-0.6, 0.8]),
    ]


def test_a_batch_of_one_may_come_bare(tmp_path: Path) -> None:
    answer = {"index": 0, "embedding": UNIT}
    assert ask(tmp_path, Role.EMBED, answer, lambda server: server.embed([[1]])) == [PACKED]


@pytest.mark.parametrize(
    "answer",
    [
        b"no json",
        b'{"data": [{"index": 0, "embedding": [NaN, 1]}]}',
        {"data": [{"index": 0, "embedding": [None, 1]}]},
        {"data": [{"index": 0, "embedding": [0, 0]}]},
        {"data": [{"index": 0, "embedding": [3, 4]}]},
        {"data": [{"index": 0, "embedding": []}]},
        {"data": [{"index": 0, "embedding": "!"}]},
        {"data": [{"index": 0, "embedding": "AAA="}]},
        {"data": [{"index": 0}]},
        {"data": [{"index": 1, "embedding": UNIT}]},
        {"data": [{"index": 0, "embedding": UNIT}, {"index": 0, "embedding": UNIT}]},
        {"data": [{"index": [0], "embedding": UNIT}]},
        {"data": [{"index": "0", "embedding": UNIT}]},
        {"data": []},
        {"data": 3},
        [1],
        None,
    ],
)
def test_senseless_vectors_are_refused(tmp_path: Path, answer: Any) -> None:
    found = reason_of(tmp_path, Role.EMBED, answer, lambda server: server.embed([[1]]))
    assert found is Reason.UPSTREAM_INVALID


def test_tokens_of_a_text_are_counted_by_the_server(tmp_path: Path) -> None:
    row, usage = {"index": 0, "embedding": UNIT}, {"prompt_tokens": 3}
    work: Work = lambda server: server.embed_text("a")  # noqa: E731
    answer = {"data": [row], "usage": usage}
    assert ask(tmp_path, Role.EMBED, answer, work) == (PACKED, 3)
    for odd in ({}, {"usage": {}}, {"usage": {"prompt_tokens": 0}}, {"usage": 3}):
        found = reason_of(tmp_path, Role.EMBED, {"data": [row], **odd}, work)
        assert found is Reason.UPSTREAM_INVALID


def test_scores_are_ordered_and_squashed(tmp_path: Path) -> None:
    rows = [
        {"index": 2, "relevance_score": 0.0},
        {"index": 0, "relevance_score": 1000},
        {"index": 1, "relevance_score": -2000},
    ]
    work: Work = lambda server: server.rank("q", ["a", "b", "c"])  # noqa: E731
    assert ask(tmp_path, Role.RERANK, {"results": rows}, work) == [1.0, 0.0, 0.5]


def test_a_softmax_is_passed_on(tmp_path: Path) -> None:
    facts = {"general__architecture": "qwen3", "qwen3__context_length": 64}
    facts["qwen3__pooling_type"] = 4
    row = {"results": [{"index": 0, "relevance_score": 0.25}]}
    work: Work = lambda server: server.rank("q", ["a"])  # noqa: E731
    assert ask(tmp_path, Role.RERANK, row, work, **facts) == [0.25]


@pytest.mark.parametrize("score", [None, "1", float("nan"), -1e6])
def test_senseless_scores_are_refused(tmp_path: Path, score: Any) -> None:
    row = {"results": [{"index": 0, "relevance_score": score}]}
    work: Work = lambda server: server.rank("q", ["a"])  # noqa: E731
    assert reason_of(tmp_path, Role.RERANK, row, work) is Reason.UPSTREAM_INVALID


def test_tokens_are_parted_at_the_separators(tmp_path: Path) -> None:
    work: Work = lambda server: server.tokenize(["a", "", "b"], add_special=False)  # noqa: E731
    answer = {"tokens": [5, 6, -1, -1, 7, -1]}
    assert ask(tmp_path, Role.EMBED, answer, work) == [[5, 6], [], [7]]
    for tokens in ([5, 6, 7], [5, -1, 6, -1], [5, -1, 6, -1, 7, -1, 8], ["5"], None):
        found = reason_of(tmp_path, Role.EMBED, {"tokens": tokens}, work)
        assert found is Reason.UPSTREAM_INVALID


@pytest.mark.parametrize(
    ("status", "answer", "reason"),
    [
        (500, {"error": {"message": "too large to process"}}, Reason.UPSTREAM_FAILED),
        (500, b"<html>", Reason.UPSTREAM_FAILED),
        (400, {"error": {"message": "failed to parse grammar"}}, Reason.INVALID_ARGUMENT),
        (400, {"error": "x"}, Reason.UPSTREAM_FAILED),
    ],
)
def test_refusals(tmp_path: Path, status: int, answer: Any, reason: Reason) -> None:
    work: Work = lambda server: server.embed([[1]])  # noqa: E731
    assert reason_of(tmp_path, Role.EMBED, answer, work, status) is reason


def test_loading_is_no_failure(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="Loading"):
        ask(
            tmp_path,
            Role.EMBED,
            {"error": {"message": "Loading model"}},
            lambda server: server.embed([[1]]),
            status=503,
        )


@pytest.mark.parametrize(
    "probs",
    [
        [],
        [{"id": 5, "prob": 0.5}],
        [{"id": 258, "prob": 0.5}, {"id": 257, "prob": 0.2}, {"id": 5, "prob": 0.1}],
        [{"id": 258, "prob": None}, {"id": 257, "prob": 0.2}],
        [{"id": 258, "prob": 0.0}],
        None,
        [3],
    ],
)
def test_senseless_verdicts_are_refused(tmp_path: Path, probs: Any) -> None:
    async def work(server: LlamaServer) -> None:
        server.verdict = (258, 257)
        await server.yes_no([[1]])

    row = {"index": 0, "completion_probabilities": [{"top_probs": probs}]}
    assert reason_of(tmp_path, Role.RERANK, row, work) is Reason.UPSTREAM_INVALID


def test_a_verdict_that_underflows_is_whole(tmp_path: Path) -> None:
    async def work(server: LlamaServer) -> list[float]:
        server.verdict = (258, 257)
        return await server.yes_no([[1]])

    row = {"completion_probabilities": [{"top_probs": [{"id": 257, "prob": 1.0}]}]}
    assert ask(tmp_path, Role.RERANK, row, work) == [0.0]


REQUEST = GenerateRequest(
    prompt="p", max_tokens=9, temperature=0, top_k=0, top_p=1, presence_penalty=0, seed=0
)


def test_a_stream_is_put_together(tmp_path: Path) -> None:
    events = (
        b'data: {"content": "a", "stop": false, "tokens_predicted": 1}\n\n'
        b': a comment\n\ndata: {"content": "\xc3\xa9", "stop": false, "tokens_predicted": 2}\n\n'
        b'data: {"content": "", "stop": true, "stop_type": "eos", "tokens_predicted": 3}\n\n'
    )
    work: Work = lambda server: server.generate([1], REQUEST, None)  # noqa: E731
    assert ask(tmp_path, Role.GENERATE, events, work) == Generation("aé", 2, "stop")
    limit = events.replace(b'"eos"', b'"limit"')
    assert ask(tmp_path, Role.GENERATE, limit, work) == Generation("aé", 3, "length")


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"data: x\n", Reason.UPSTREAM_INVALID),
        (b"data: 1\n", Reason.UPSTREAM_INVALID),
        (b'data: {"stop": true}\n', Reason.UPSTREAM_INVALID),
        (b'data: {"error": {"message": "m"}}\n', Reason.UPSTREAM_FAILED),
        (b'error: {"error": {"message": "m"}}\n', Reason.UPSTREAM_FAILED),
    ],
)
def test_broken_streams(tmp_path: Path, stream: bytes, reason: Reason) -> None:
    work: Work = lambda server: server.generate([1], REQUEST, None)  # noqa: E731
    assert reason_of(tmp_path, Role.GENERATE, stream, work) is reason


def test_a_stream_that_ends_early_is_a_lost_server(tmp_path: Path) -> None:
    work: Work = lambda server: server.generate([1], REQUEST, None)  # noqa: E731
    with pytest.raises(Unreachable):
        ask(tmp_path, Role.GENERATE, b"data: {}\n", work)


def test_nobody_listens(tmp_path: Path) -> None:
    about = model.load(ModelSettings(Role.EMBED, tiny_model(tmp_path, Role.EMBED)))

    async def main() -> None:
        async with aiohttp.ClientSession() as http:
            server = LlamaServer(http, "http://127.0.0.1:9", about, 5)
            assert not await server.healthy(1)
            await server.embed([[1]])

    with pytest.raises(Unreachable):
        asyncio.run(main())
