"""The gateway over the real llama-server and the starter models."""

from __future__ import annotations

import asyncio
import base64
import json
import math
import os
import random
import signal
import string
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from qmd_modal.gateway import Gateway
from qmd_modal.role import Role
from qmd_modal.settings import GatewaySettings, LlamaSettings, ModelSettings, Settings
from qmd_modal.supervisor import State, Supervisor

from .conftest import EMBEDDER, GENERATOR, models
from .support import Json, post, until

pytestmark = pytest.mark.real

GOLDEN = json.loads(Path(__file__).with_name("minilm_golden.json").read_text())["texts"]
SENTENCE = "similarity laws must be obeyed when constructing aeroelastic models "

Test = Callable[[Gateway, Supervisor], Awaitable[None]]


def serve(test: Test, *roles: Role, rerank: str = EMBEDDER, window: int = 2048) -> None:
    """Runs a test against the application over real children."""
    files = {Role.EMBED: EMBEDDER, Role.RERANK: rerank, Role.GENERATE: GENERATOR}
    settings = Settings(
        # One thread: several would spin for each other on a machine that is busy.
        LlamaSettings(Path(os.environ["QMD_TEST_LLAMA_SERVER"]), threads=1),
        {role: ModelSettings(role, models() / files[role], window=window) for role in roles},
        GatewaySettings(),
    )

    async def main() -> None:
        async with Supervisor(settings) as supervisor:
            await supervisor.ready()
            await test(Gateway(supervisor, settings.gateway), supervisor)

    asyncio.run(main())


async def direct(supervisor: Supervisor, role: Role, path: str, body: Json) -> Any:
    """A request straight to a role's llama-server."""
    base = supervisor.keepers[role].server.base
    async with aiohttp.ClientSession() as http, http.post(base + path, json=body) as reply:
        assert reply.status == 200, await reply.text()
        return await reply.json()


def unpack(reply: Json) -> list[tuple[float, ...]]:
    layout = f"<{reply['dimensions']}f"
    return [struct.unpack(layout, base64.b64decode(text)) for text in reply["embeddings"]]


def cosine(a: Any, b: Any) -> float:
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def random_texts(count: int) -> list[str]:
    """Words, markup, CJK, emoji, combining marks, control characters, and the empty text."""
    noise = random.Random(11)
    alphabets = [
        string.ascii_letters + "    ",
        string.printable,
        "日本語の検索エンジン、。한국어中文",
        "🙂🚀🔥👩‍👩‍👧‍👦é e\u0301 ñ ß ﬀ \u200b\u0301",
        "[SEP] [CLS] ## <|im_end|> <s> ▁Ġ 's 're ' . , ! ?",
        "\0\t\n\r\x1b \x7f\ufffd\U0010ffff",
    ]
    texts = ["", " ", *(t["text"] for t in GOLDEN)]
    while len(texts) < count:
        letters = noise.choice(alphabets)
        texts.append("".join(noise.choice(letters) for _ in range(noise.randrange(1, 60))))
    return texts


def test_vectors_and_tokens_agree_with_the_reference() -> None:
    async def test(app: Gateway, _: Supervisor) -> None:
        texts = [golden["text"] for golden in GOLDEN]
        status, reply = await post(app, "/v1/embed", {"texts": texts})
        assert status == 200, reply
        assert reply["tokens"] == [len(golden["tokens"]) for golden in GOLDEN]
        for golden, vector in zip(GOLDEN, unpack(reply), strict=True):
            assert cosine(golden["embedding"], vector) >= 0.999, golden["text"]
        request = {"role": "embed", "texts": texts, "add_special": True}
        _, ids = await post(app, "/v1/tokenize", request)
        assert ids["items"] == [golden["tokens"] for golden in GOLDEN]

    serve(test, Role.EMBED)


def test_a_batch_is_its_texts_one_by_one() -> None:
    async def test(app: Gateway, supervisor: Supervisor) -> None:
        texts = [SENTENCE * count for count in (1, 20, 2, 40, 1, 10)]
        _, batch = await post(app, "/v1/embed", {"texts": texts})
        for text, vector in zip(texts, unpack(batch), strict=True):
            _, reply = await post(app, "/v1/embed", {"texts": [text]})
            (alone,) = unpack(reply)
            # Activations are rounded to 8 bits: what shares a batch shows in the last digits.
            assert cosine(vector, alone) > 0.999
            body = {"input": [text]}
            found = await direct(supervisor, Role.EMBED, "/v1/embeddings", body)
            assert cosine(alone, found["data"][0]["embedding"]) > 0.99999

    serve(test, Role.EMBED)


def test_a_text_sent_as_it_is_gives_what_its_tokens_give() -> None:
    async def test(app: Gateway, supervisor: Supervisor) -> None:
        server = supervisor.server(Role.EMBED)
        texts = [text for text in random_texts(300) if server.takes_as_text(text)]
        assert len(texts) > 100
        inputs = await server.tokenize(texts, add_special=True)
        for text, ids in zip(texts, inputs, strict=True):
            _, reply = await post(app, "/v1/embed", {"texts": [text]})
            assert reply["tokens"] == [len(ids)], text
            (vector,) = await server.embed([ids])
            assert base64.b64decode(reply["embeddings"][0]) == vector, text

    serve(test, Role.EMBED)


def test_the_window_is_exact() -> None:
    async def test(app: Gateway, _: Supervisor) -> None:
        status, reply = await post(app, "/v1/embed", {"texts": ["word " * 510]})
        assert (status, reply["tokens"]) == (200, [512])
        status, reply = await post(app, "/v1/embed", {"texts": ["a", "word " * 511]})
        assert (status, reply["error"]["reason"]) == (422, "INPUT_TOO_LONG")
        assert (reply["error"]["index"], reply["error"]["tokens"]) == (1, 513)
        prompt = {**GREEDY, "prompt": "word " * 2000, "max_tokens": 40}
        status, reply = await post(app, "/v1/generate", {**prompt, "max_tokens": 400})
        assert (status, reply["error"]["limit"]) == (422, 2048)

    serve(test, Role.EMBED, Role.GENERATE)


@pytest.mark.parametrize("role", [Role.EMBED, Role.GENERATE])
def test_tokens_are_those_of_each_text_alone(role: Role) -> None:
    async def test(app: Gateway, supervisor: Supervisor) -> None:
        texts = random_texts(300)
        for special in (False, True):
            request = {"role": role.value, "texts": texts, "add_special": special}
            status, reply = await post(app, "/v1/tokenize", request)
            assert status == 200, reply
            for text, ids in zip(texts, reply["items"], strict=True):
                body = {"content": text, "add_special": special, "parse_special": False}
                found = await direct(supervisor, role, "/tokenize", body)
                assert ids == found["tokens"], text
        status, reply = await post(
            app, "/v1/detokenize", {"role": role.value, "items": reply["items"]}
        )
        assert status == 200, reply
        if role is Role.GENERATE:
            # A byte-level vocabulary loses nothing.
            assert reply["texts"] == texts
        else:
            assert reply["texts"][2:4] == ["[CLS] hello, world![SEP]", MAIN]

    serve(test, role)


MAIN = '[CLS] fn main ( ) { println! ( " { } ", a _ b : : c _ d ( ) ) ; }[SEP]'


def test_a_very_long_text_is_tokenised() -> None:
    async def test(app: Gateway, _: Supervisor) -> None:
        text = "naïve 日本 🙂 word " * 5000
        assert len(text.encode()) > 100_000
        request = {"role": "embed", "texts": [text, "b"], "add_special": False}
        status, reply = await post(app, "/v1/tokenize", request)
        assert (status, len(reply["items"][1])) == (200, 1)
        assert len(reply["items"][0]) % 5000 == 0

    serve(test, Role.EMBED)


def test_a_rank_heads_scores_are_its_logits_squashed() -> None:
    """MiniLM has no head of its own; llama.cpp then scores by the first value of [CLS]. It is the
    plumbing that counts here."""

    async def test(app: Gateway, supervisor: Supervisor) -> None:
        documents = ["a red fox", "stars are far away", SENTENCE * 80, "fox"]
        body = {"query": "red fox", "documents": documents}
        status, reply = await post(app, "/v1/rerank", body)
        assert (status, reply["cut"]) == (200, [2])
        body["documents"] = ["a red fox", "stars are far away", "fox"]
        raw = await direct(supervisor, Role.RERANK, "/rerank", body)
        # [CLS] query [SEP] document [SEP], as BERT was trained on pairs.
        assert raw["usage"]["prompt_tokens"] == 3 * (2 + 3) + 3 + 4 + 1
        logits = {row["index"]: row["relevance_score"] for row in raw["results"]}
        expected = [1 / (1 + math.exp(-logits[index])) for index in range(3)]
        kept = [reply["scores"][index] for index in (0, 1, 3)]
        assert kept == pytest.approx(expected, abs=1e-5)

    serve(test, Role.RERANK)


FRAME = {
    "before": "<|im_start|>system\nAnswer yes or no.<|im_end|>\n<|im_start|>user\n"
    "Is the document about foxes?\nDocument: ",
    "after": "<|im_end|>\n<|im_start|>assistant\n",
}


def test_a_verdict_is_the_softmax_over_yes_and_no() -> None:
    async def test(app: Gateway, supervisor: Supervisor) -> None:
        server = supervisor.server(Role.RERANK)
        (yes,), (no,) = await server.tokenize(["yes", "no"], add_special=False)
        before, after = await server.tokenize(
            list(FRAME.values()), add_special=False, parse_special=True
        )
        # Alone and first, so that nothing of it is cached: in another batch the same document
        # scores a few hundredths away, with 4-bit weights and 8-bit activations.
        document = "The fox is a small wild dog. <|im_end|>"
        body = {"query": "foxes", "documents": [document], "frame": FRAME}
        status, reply = await post(app, "/v1/rerank", body)
        assert (status, reply["cut"]) == (200, [])
        (ids,) = await server.tokenize([document], add_special=False)
        request = {"prompt": [*before, *ids, *after], "n_predict": 1, "cache_prompt": False}
        request |= {"n_probs": server.vocabulary.size, "samplers": []}
        found = await direct(supervisor, Role.RERANK, "/completion", request)
        row = found["completion_probabilities"][0]["top_logprobs"]
        logprobs = {entry["id"]: entry["logprob"] for entry in row}
        expected = 1 / (1 + math.exp(logprobs[no] - logprobs[yes]))
        assert reply["scores"] == [pytest.approx(expected, abs=1e-3)]

    serve(test, Role.RERANK, rerank=GENERATOR)


def test_verdicts_come_in_order_and_long_documents_are_cut() -> None:
    async def test(app: Gateway, _: Supervisor) -> None:
        documents = ["word " * 400, "The fox is a small wild dog.", "Stars shine."]
        body = {"query": "foxes", "documents": documents, "frame": FRAME}
        status, reply = await post(app, "/v1/rerank", body)
        assert (status, reply["cut"]) == (200, [0])
        assert all(0 <= score <= 1 for score in reply["scores"])
        _, again = await post(app, "/v1/rerank", {**body, "documents": documents[:0:-1]})
        assert again["scores"] == [pytest.approx(x, abs=0.15) for x in reply["scores"][:0:-1]]

    serve(test, Role.RERANK, rerank=GENERATOR, window=256)


GREEDY = {
    "prompt": "<|im_start|>user\nSay hello.<|im_end|>\n<|im_start|>assistant\n",
    "max_tokens": 24,
    "temperature": 0,
    "top_k": 0,
    "top_p": 1,
    "presence_penalty": 0,
    "seed": 1,
}


def test_generation() -> None:
    async def test(app: Gateway, supervisor: Supervisor) -> None:
        async def make(**more: Any) -> Json:
            status, reply = await post(app, "/v1/generate", {**GREEDY, **more})
            assert status == 200, reply
            return reply

        await make()
        # From here on the prompt is cached, each time alike.
        first = await make()
        assert first == await make()
        short = await make(max_tokens=3)
        assert (short["finish"], short["tokens"]) == ("length", 3)
        assert first["text"].startswith(short["text"])
        made = await make(grammar='root ::= "lex: " [a-z]+ "\\n" "vec: " [a-z]+ "."')
        assert made["text"].startswith("lex: ")
        made = await make(grammar='root ::= "yes"')
        assert (made["text"], made["finish"]) == ("yes", "stop")
        tokens = {"role": "generate", "texts": ["yes"], "add_special": False}
        (ids,) = (await post(app, "/v1/tokenize", tokens))[1]["items"]
        # The grammar may lead the model to spell the word in smaller tokens.
        assert len(ids) <= made["tokens"] <= 3
        sampled = {"temperature": 0.7, "top_k": 20, "top_p": 0.8, "presence_penalty": 1.5}
        assert await make(**sampled, seed=5) == await make(**sampled, seed=5)
        endless = {"grammar": 'root ::= "a"+', "max_tokens": 1500, "deadline_ms": 400}
        cut = await make(**endless)
        assert cut["finish"] == "deadline"
        assert set(cut["text"]) <= {"a"}
        # The deadline freed the server: an answer does not wait for 1500 tokens.
        made = await asyncio.wait_for(make(max_tokens=1), 5)
        assert made["tokens"] == 1
        bad = {**GREEDY, "grammar": 'root ::= "a'}
        status, reply = await post(app, "/v1/generate", bad)
        assert (status, reply["error"]["field"]) == (400, "grammar")
        assert supervisor.keepers[Role.GENERATE].restarts == 0

    serve(test, Role.GENERATE)


def test_a_child_killed_under_load_comes_back() -> None:
    async def test(app: Gateway, supervisor: Supervisor) -> None:
        keeper = supervisor.keepers[Role.EMBED]
        statuses: list[int] = []

        async def caller() -> None:
            while True:
                status, reply = await post(app, "/v1/embed", {"texts": [SENTENCE]})
                statuses.append(status)
                if status == 200 and keeper.restarts:
                    return
                assert status == 200 or reply["error"]["reason"] == "CHILD_RESTARTING"
                await asyncio.sleep(0.01)

        callers = [asyncio.ensure_future(caller()) for _ in range(4)]
        await until(lambda: len(statuses) > 20)
        os.kill(keeper.pid, signal.SIGKILL)
        await asyncio.wait_for(asyncio.gather(*callers), 60)
        assert (keeper.restarts, keeper.state) == (1, State.READY)

    serve(test, Role.EMBED)
