"""The application's own rules: ids, encodings, limits in flight, cancellation, defects."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from qmd_modal.gateway import Gateway
from qmd_modal.role import Role
from qmd_modal.settings import GatewaySettings
from qmd_modal.supervisor import State, Supervisor

from .support import Json, call, fake_settings, post, scope, until

Test = Callable[[Gateway, Supervisor], Awaitable[None]]

USUAL = {"x-qmd-contract": "1", "content-type": "application/json"}
EMBED = json.dumps({"texts": ["hello"]}).encode()
SLOW = {
    "prompt": "slow: ",
    "max_tokens": 4,
    "temperature": 0,
    "top_k": 0,
    "top_p": 1,
    "presence_penalty": 0,
    "seed": 0,
}


def serve(folder: Path, test: Test, gateway: GatewaySettings | None = None, **more: Any) -> None:
    """Runs a test against the application over fake children."""
    settings = fake_settings(folder, gateway=gateway, **more)

    async def main() -> None:
        async with Supervisor(settings) as supervisor:
            await supervisor.ready()
            await test(Gateway(supervisor, settings.gateway), supervisor)

    asyncio.run(main())


class Broken:
    """Children whose every use is a defect."""

    def server(self, role: Role) -> Any:
        raise ZeroDivisionError(role)

    async def identity(self, role: Role) -> str:
        raise ZeroDivisionError(role)

    async def health(self, *, exercise: bool = False) -> Any:
        raise ZeroDivisionError(exercise)

    async def describe(self) -> Json:
        raise ZeroDivisionError


def test_a_defect_is_internal_and_logged(capsys: pytest.CaptureFixture[str]) -> None:
    app = Gateway(Broken(), GatewaySettings())
    headers = {**USUAL, "x-request-id": "r-1"}
    status, sent, body = asyncio.run(call(app, "POST", "/v1/embed", headers, EMBED))
    assert (status, body["error"]["reason"], body["error"]["retryable"]) == (500, "INTERNAL", False)
    assert sent["x-request-id"] == "r-1"
    logged = capsys.readouterr().err
    assert "r-1" in logged
    assert "ZeroDivisionError" in logged


def test_request_ids_are_echoed_made_or_refused(tmp_path: Path) -> None:
    async def test(app: Gateway, _: Supervisor) -> None:
        for given in ("a", "A-z_0.9", "x" * 64):
            headers = {**USUAL, "x-request-id": given}
            _, sent, _ = await call(app, "POST", "/v1/embed", headers, EMBED)
            assert sent["x-request-id"] == given
        made = {(await call(app, "GET", "/health"))[1]["x-request-id"] for _ in range(3)}
        assert len(made) == 3
        for given in ("", "a b", "x" * 65, "ä", 'a"'):
            headers = {**USUAL, "x-request-id": given}
            status, sent, body = await call(app, "POST", "/v1/embed", headers, EMBED)
            assert (status, body["error"]["field"]) == (400, "x-request-id")
            assert sent["x-request-id"] != given

    serve(tmp_path, test)


def test_compressed_bodies_give_the_same_answer(tmp_path: Path) -> None:
    async def test(app: Gateway, _: Supervisor) -> None:
        plain = await call(app, "POST", "/v1/embed", USUAL, EMBED)
        for encoding, packed in (
            ("gzip", gzip.compress(EMBED)),
            ("zstd", zstandard.ZstdCompressor().compress(EMBED)),
        ):
            headers = {**USUAL, "content-encoding": encoding}
            assert (await call(app, "POST", "/v1/embed", headers, packed))[2] == plain[2]

    serve(tmp_path, test)


def test_bodies_and_arrays_are_limited(tmp_path: Path) -> None:
    async def test(app: Gateway, _: Supervisor) -> None:
        status, body = await post(app, "/v1/embed", {"texts": ["a", "b", "c"]})
        assert status == 200, body
        status, body = await post(app, "/v1/embed", {"texts": ["a", "b", "c", "d"]})
        assert (status, body["error"]["field"]) == (400, "texts")
        status, body = await post(app, "/v1/rerank", {"query": "q", "documents": ["d"] * 4})
        assert (status, body["error"]["field"]) == (400, "documents")
        lists = {"role": "embed", "items": [[9]] * 4}
        status, body = await post(app, "/v1/detokenize", lists)
        assert (status, body["error"]["field"]) == (400, "items")
        assert (await call(app, "POST", "/v1/embed", USUAL, b" " * 201))[0] == 413
        assert (await call(app, "POST", "/v1/embed", USUAL, EMBED + b" " * 100))[0] == 200

    serve(tmp_path, test, GatewaySettings(body_bytes=200, items=3))


def test_calls_in_flight_are_bounded_for_each_role(tmp_path: Path) -> None:
    async def test(app: Gateway, _: Supervisor) -> None:
        request = {**SLOW, "deadline_ms": 400}
        first = [asyncio.ensure_future(post(app, "/v1/generate", request)) for _ in range(2)]
        await until(lambda: app.in_flight(Role.GENERATE) == 2)
        status, body = await post(app, "/v1/generate", request)
        assert (status, body["error"]["reason"]) == (429, "OVERLOADED")
        # The other roles have places of their own.
        assert (await post(app, "/v1/embed", {"texts": ["a"]}))[0] == 200
        assert [status for status, _ in await asyncio.gather(*first)] == [200, 200]
        assert app.in_flight(Role.GENERATE) == 0
        assert (await post(app, "/v1/generate", {**request, "prompt": "p"}))[0] == 200

    serve(tmp_path, test, GatewaySettings(in_flight=2))


async def call_and_leave(
    app: Gateway, path: str, messages: list[Json], leave: asyncio.Event
) -> None:
    """A call whose client closes the connection behind its messages; nothing may be answered."""

    async def receive() -> Json:
        if messages:
            return messages.pop(0)
        await leave.wait()
        return {"type": "http.disconnect"}

    async def send(message: Json) -> None:
        raise AssertionError(message)

    await app(scope("POST", path, USUAL), receive, send)


def test_a_client_that_goes_away_ends_the_work(tmp_path: Path) -> None:
    async def test(app: Gateway, _: Supervisor) -> None:
        leave = asyncio.Event()
        message = {"type": "http.request", "body": json.dumps(SLOW).encode()}
        work = asyncio.ensure_future(call_and_leave(app, "/v1/generate", [message], leave))
        await until(lambda: app.in_flight(Role.GENERATE) == 1)
        leave.set()
        await asyncio.wait_for(work, 2)
        await until(lambda: app.in_flight(Role.GENERATE) == 0)

    serve(tmp_path, test)


def test_a_body_that_breaks_off_is_given_up(tmp_path: Path) -> None:
    async def test(app: Gateway, _: Supervisor) -> None:
        leave = asyncio.Event()
        leave.set()
        message = {"type": "http.request", "body": b"{", "more_body": True}
        await asyncio.wait_for(call_and_leave(app, "/v1/embed", [message], leave), 2)

    serve(tmp_path, test)


def test_token_markup_in_a_text_stays_text(tmp_path: Path) -> None:
    """The fake would read `</s>` as one token where it is asked to."""

    async def test(app: Gateway, _: Supervisor) -> None:
        _, marked = await post(app, "/v1/embed", {"texts": ["</s>"]})
        assert marked["tokens"] == [6]
        texts = {"role": "embed", "texts": ["</s>"], "add_special": False}
        _, ids = await post(app, "/v1/tokenize", texts)
        assert len(ids["items"][0]) == 4

    serve(tmp_path, test)


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("hello", ["/v1/embeddings"]),
        ("", ["/v1/embeddings"]),
        ("x" * 62, ["/v1/embeddings"]),
        ("é" * 31, ["/v1/embeddings"]),
        # It would be read as one token.
        ("</s>", ["/tokenize", "/v1/embeddings"]),
        ("x" * 63, ["/tokenize"]),
    ],
)
def test_a_short_text_goes_out_once(tmp_path: Path, text: str, asked: list[str]) -> None:
    async def test(app: Gateway, supervisor: Supervisor) -> None:
        paths, forward = [], supervisor.server(Role.EMBED)._post

        async def noted(path: str, body: Any) -> Any:
            paths.append(path)
            return await forward(path, body)

        supervisor.server(Role.EMBED)._post = noted
        status, alone = await post(app, "/v1/embed", {"texts": [text]})
        assert paths == asked
        if len(asked) == 1 and asked[0] == "/tokenize":
            error = alone["error"]
            assert (status, error["tokens"], error["limit"]) == (422, 65, 64)
            return
        # In company it is sent as tokens.
        _, both = await post(app, "/v1/embed", {"texts": [text, "x"]})
        assert alone["tokens"] == both["tokens"][:1]
        assert alone["embeddings"] == both["embeddings"][:1]

    serve(tmp_path, test, roles=(Role.EMBED,))


def test_long_documents_are_cut_and_long_queries_refused(tmp_path: Path) -> None:
    async def test(app: Gateway, _: Supervisor) -> None:
        documents = ["é" * 60, "short", "x" * 1000]
        status, body = await post(app, "/v1/rerank", {"query": "q", "documents": documents})
        assert (status, body["cut"]) == (200, [0, 2])
        status, body = await post(app, "/v1/rerank", {"query": "q" * 60, "documents": ["d"]})
        error = body["error"]
        assert (status, error["reason"], error["index"]) == (422, "INPUT_TOO_LONG", 0)
        assert (error["tokens"], error["limit"]) == (65, 64)

    serve(tmp_path, test)


def test_a_query_cannot_pull_documents_into_itself(tmp_path: Path) -> None:
    async def test(app: Gateway, supervisor: Supervisor) -> None:
        server, asked = supervisor.server(Role.RERANK), []
        rank = server.rank

        async def noted(query: str, documents: list[str]) -> list[float]:
            asked.append(query)
            return await rank(query, documents)

        server.rank = noted
        body = {"query": "a {document} b", "documents": ["d"]}
        assert (await post(app, "/v1/rerank", body))[0] == 200
        assert asked == ["a { document } b"]

    template = {"tokenizer__chat_template__rerank": "Q {query} D {document} A"}
    serve(tmp_path, test, roles=(Role.RERANK,), facts=template)


def test_a_server_that_dies_in_the_middle_is_retryable(tmp_path: Path) -> None:
    async def test(app: Gateway, supervisor: Supervisor) -> None:
        status, body = await post(app, "/v1/generate", {**SLOW, "prompt": "crash"})
        assert (status, body["error"]["reason"]) == (503, "CHILD_RESTARTING")
        assert body["error"]["retryable"] is True
        keeper = supervisor.keepers[Role.GENERATE]
        await until(lambda: keeper.restarts == 1 and keeper.state is State.READY)
        status, body = await post(app, "/v1/generate", {**SLOW, "prompt": "p"})
        assert (status, body["text"]) == (200, "okok")

    serve(tmp_path, test)
