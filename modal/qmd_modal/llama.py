"""A client of one llama-server. Its quirks end here: what leaves is checked, flat and in order."""

from __future__ import annotations

import asyncio
import base64
import binascii
import math
import sys
import time
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Any

import aiohttp
from pydantic_core import from_json, to_json

from .contract import ContractError, GenerateRequest, Reason
from .model import Model, spell

# Between texts in one request to `/tokenize`: an id that no vocabulary has. llama-server passes
# integers in a mixed array through as they are.
_SEPARATOR = -1

# Raises both verdict tokens above the whole vocabulary; the softmax over the two is unchanged.
_VERDICT_BIAS = 100

# The score of a pair whose computation failed (llama.cpp, `send_rerank`).
_FAILED = -1e6

# Requests at a time where llama-server takes one item a request.
_FAN_OUT = 8


class Unreachable(Exception):
    """The server does not answer, or is still loading: its process is new, gone, or going."""


@dataclass(frozen=True)
class Vocabulary:
    """Facts a running server tells."""

    size: int
    before: tuple[int, ...]
    """Special tokens put before an input."""
    behind: tuple[int, ...]
    """Special tokens put behind an input."""


@dataclass(frozen=True)
class Generation:
    """A generated text. `finish` is `stop`, `length` or `deadline`."""

    text: str
    tokens: int
    finish: str


class LlamaServer:
    """One role's server. Methods raise `ContractError`, or `Unreachable` when it is down."""

    def __init__(
        self, http: aiohttp.ClientSession, base: str, model: Model, timeout: float
    ) -> None:
        self.model = model
        self._http = http
        self.base = base
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._vocabulary: Vocabulary | None = None
        self._dimensions = 0
        self.verdict: tuple[int, int] | None = None
        """The tokens yes and no of a reranker without a head; asked for when first needed."""

    @property
    def vocabulary(self) -> Vocabulary:
        """Known once `prepare` has run."""
        if self._vocabulary is None:
            raise Unreachable(f"the {self.model.role.value} server has not answered yet")
        return self._vocabulary

    @property
    def dimensions(self) -> int:
        """Length of its vectors; 0 unless it embeds. Known once `prepare` has run."""
        return self._dimensions

    async def healthy(self, timeout: float) -> bool:
        """Whether it has loaded its model and answers."""
        limit = aiohttp.ClientTimeout(total=timeout)
        try:
            async with self._http.get(self.base + "/health", timeout=limit) as reply:
                return reply.status == 200
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError):
            return False

    async def prepare(self) -> None:
        """Asks for the vocabulary's facts and warms the model up with one small input."""
        models = await self._post("/v1/models", None)
        size = _at(models, "data", 0, "meta", "n_vocab")
        if not isinstance(size, int):
            raise self._nonsense("it does not tell its vocabulary's size")
        bare, whole = await asyncio.gather(
            self._ids("/tokenize", {"content": ["warm", _SEPARATOR, "up"], "add_special": False}),
            self._ids("/tokenize", {"content": "warm", "add_special": True}),
        )
        warm = bare[: bare.index(_SEPARATOR)] if _SEPARATOR in bare else None
        if not warm or len(bare) == len(warm) + 1:
            raise self._nonsense("it does not pass integers through /tokenize")
        at = next((i for i in range(len(whole)) if whole[i : i + len(warm)] == warm), None)
        if at is None:
            raise self._nonsense("special tokens change how it tokenises a text")
        self._vocabulary = Vocabulary(size, tuple(whole[:at]), tuple(whole[at + len(warm) :]))
        await self._warm_up()

    async def _warm_up(self) -> None:
        scoring = self.model.scoring
        if scoring == "head":
            await self.rank("warm", ["up"])
        elif scoring == "yes_no":
            await self.yes_no([await self._one("warm up")])
        elif self.model.pooling:
            (vector,) = await self.embed([self.wrap(await self._one("warm up"))])
            self._dimensions = len(vector) // 4
        else:
            await self._post(
                "/completion", {"prompt": [await self._one("warm up")], "n_predict": 1}
            )

    async def _one(self, text: str) -> list[int]:
        (ids,) = await self.tokenize([text], add_special=False)
        return ids

    def wrap(self, ids: Iterable[int]) -> list[int]:
        """Token ids of a text with the special tokens around it."""
        return [*self.vocabulary.before, *ids, *self.vocabulary.behind]

    async def tokenize(
        self, texts: Sequence[str], *, add_special: bool, parse_special: bool = False
    ) -> list[list[int]]:
        """Token ids of each text, in one request."""
        content: list[str | int] = []
        for text in texts:
            content += (text, _SEPARATOR)
        body = {"content": content, "add_special": False, "parse_special": parse_special}
        ids = await self._ids("/tokenize", body)
        items: list[list[int]] = [[]]
        for token in ids:
            if token == _SEPARATOR:
                items.append([])
            else:
                items[-1].append(token)
        if items.pop() or len(items) != len(texts):
            raise self._nonsense(f"{len(texts)} texts came back as {len(items)} token lists")
        return [self.wrap(item) for item in items] if add_special else items

    async def detokenize(self, items: Sequence[Sequence[int]]) -> list[str]:
        """The text of each token list, as llama.cpp's own detokeniser spells it."""
        gate = asyncio.Semaphore(_FAN_OUT)

        async def one(ids: Sequence[int]) -> str:
            if not ids:
                return ""
            async with gate:
                pieces = _at(await self._post("/detokenize", {"tokens": list(ids)}), "content")
            if not isinstance(pieces, str):
                raise self._nonsense("/detokenize gave no text")
            return spell(self.model, pieces)

        return list(await asyncio.gather(*map(one, items)))

    async def embed(self, inputs: Sequence[Sequence[int]]) -> list[bytes]:
        """Unit vectors as little-endian f32, in one request."""
        body = {"input": inputs, "encoding_format": "base64"}
        rows = self._ordered(await self._post("/v1/embeddings", body), len(inputs))
        return [self._vector(row.get("embedding")) for row in rows]

    def takes_as_text(self, text: str) -> bool:
        """Whether it may be sent as it is: nothing in it would be read as markup, and it cannot
        have more tokens than fit, as each takes a byte at least. Without special tokens around it
        an empty one would be no input."""
        around = len(self.vocabulary.before) + len(self.vocabulary.behind)
        short = len(text.encode()) + around <= self.model.window
        return short and around > 0 and self.model.markup_begins.isdisjoint(text)

    async def embed_text(self, text: str) -> tuple[bytes, int]:
        """Unit vector and token count of a text that `takes_as_text` lets pass: one request, where
        its tokens would take another."""
        body = {"input": [text], "encoding_format": "base64"}
        reply = await self._post("/v1/embeddings", body)
        (row,) = self._ordered(reply, 1)
        tokens = _at(reply, "usage", "prompt_tokens")
        if not isinstance(tokens, int) or tokens < 1:
            raise self._nonsense("it does not count tokens")
        return self._vector(row.get("embedding")), tokens

    async def rank(self, query: str, documents: Sequence[str]) -> list[float]:
        """Scores in [0, 1] by the rank head, in one request."""
        reply = await self._post("/rerank", {"query": query, "documents": documents})
        scores = [row.get("relevance_score") for row in self._ordered(reply, len(documents))]
        if not all(_is_score(score) for score in scores):
            raise self._nonsense("a score is missing")
        if self.model.head_is_normalised:
            return scores
        return [1 / (1 + math.exp(-score)) if score > -700 else 0.0 for score in scores]

    async def yes_no(self, prompts: Sequence[Sequence[int]]) -> list[float]:
        """p(yes) / (p(yes) + p(no)) of each prompt's next token, in one request."""
        yes, no = await self._verdict_tokens()
        body = {
            "prompt": prompts,
            "n_predict": 1,
            "logit_bias": [[yes, _VERDICT_BIAS], [no, _VERDICT_BIAS]],
            "samplers": ["top_k", "temperature"],
            "top_k": 2,
            "temperature": 1.0,
            "n_probs": 2,
            "post_sampling_probs": True,
            "response_fields": ["index", "completion_probabilities"],
        }
        rows = self._ordered(await self._post("/completion", body), len(prompts))
        return [self._p_yes(row, yes, no) for row in rows]

    def _p_yes(self, row: dict[str, Any], yes: int, no: int) -> float:
        found = _at(row, "completion_probabilities", 0, "top_probs")
        odds = {item.get("id"): item.get("prob") for item in found or [] if isinstance(item, dict)}
        # A probability that underflows to zero is left out.
        p_yes, p_no = odds.pop(yes, 0.0), odds.pop(no, 0.0)
        if odds or not (_is_score(p_yes) and _is_score(p_no) and p_yes + p_no > 0):
            raise self._nonsense("the verdict is neither yes nor no")
        return p_yes / (p_yes + p_no)

    async def _verdict_tokens(self) -> tuple[int, int]:
        if self.verdict is None:
            words = await self.tokenize(["yes", "no"], add_special=False)
            if [len(word) for word in words] != [1, 1]:
                raise self._nonsense("the reranker has no single tokens for yes and no")
            self.verdict = (words[0][0], words[1][0])
        return self.verdict

    async def generate(
        self, prompt: Sequence[int], request: GenerateRequest, deadline: float | None
    ) -> Generation:
        """Continues a prompt until it ends, or until `deadline` on the monotonic clock."""
        body = {
            "prompt": prompt,
            "n_predict": request.max_tokens,
            "samplers": ["penalties", "top_k", "top_p", "temperature"],
            "temperature": request.temperature,
            "top_k": request.top_k,
            "top_p": request.top_p,
            "presence_penalty": request.presence_penalty,
            "repeat_penalty": 1.0,
            "repeat_last_n": 64,
            "seed": request.seed,
            "grammar": request.grammar or "",
            "stream": True,
            # The last event would repeat the prompt, on one long line.
            "response_fields": ["content", "stop", "stop_type", "tokens_predicted"],
        }
        partial = Generation("", 0, "deadline")

        async def stream() -> Generation:
            nonlocal partial
            async with self._http.post(
                self.base + "/completion", data=to_json(body), timeout=self._timeout
            ) as reply:
                if reply.status != 200:
                    raise self._refused(reply.status, await reply.read())
                async for line in reply.content:
                    event = self._event(line)
                    if event is None:
                        continue
                    text = partial.text + (event.get("content") or "")
                    if event.get("stop"):
                        return self._finished(event, text)
                    partial = Generation(text, event.get("tokens_predicted") or 0, "deadline")
            raise Unreachable("the stream ended early")

        work = asyncio.ensure_future(stream())
        try:
            left = None if deadline is None else max(deadline - time.monotonic(), 0)
            done, _ = await asyncio.wait({work}, timeout=left)
            return work.result() if done else partial
        except asyncio.TimeoutError:
            raise self._slow() from None
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(str(error) or type(error).__name__) from None
        finally:
            # Closes the connection, which ends the work behind it.
            work.cancel()

    def _event(self, line: bytes) -> dict[str, Any] | None:
        if line.startswith(b"error:"):
            raise self._refused(500, line[len(b"error:") :])
        if not line.startswith(b"data:") or line.strip() == b"data: [DONE]":
            return None
        event = self._decode(line[len(b"data:") :])
        if not isinstance(event, dict):
            raise self._nonsense("an event is no object")
        if "error" in event:
            raise self._refused(500, line[len(b"data:") :])
        return event

    def _finished(self, event: dict[str, Any], text: str) -> Generation:
        tokens, stop = event.get("tokens_predicted"), event.get("stop_type")
        if not isinstance(tokens, int) or stop not in ("eos", "word", "limit"):
            raise self._nonsense("the generation ended without its figures")
        if stop == "limit":
            return Generation(text, tokens, "length")
        # llama-server counts the end token.
        return Generation(text, max(tokens - 1, 0), "stop")

    async def _ids(self, path: str, body: Any) -> list[int]:
        ids = _at(await self._post(path, body), "tokens")
        if not isinstance(ids, list) or not all(isinstance(token, int) for token in ids):
            raise self._nonsense(f"{path} gave no token list")
        return ids

    async def _post(self, path: str, body: Any) -> Any:
        """POSTs a body, or GETs without one. A pooled connection that llama-server has closed
        meanwhile gets a second try: every request may be repeated."""
        data = None if body is None else to_json(body)
        method = "GET" if body is None else "POST"
        for attempt in (1, 2):
            try:
                async with self._http.request(
                    method, self.base + path, data=data, timeout=self._timeout
                ) as reply:
                    content = await reply.read()
                    if reply.status != 200:
                        raise self._refused(reply.status, content)
                    return self._decode(content)
            except asyncio.TimeoutError:
                raise self._slow() from None
            except (aiohttp.ClientError, OSError) as error:
                if attempt == 2 or isinstance(error, aiohttp.ClientConnectorError):
                    raise Unreachable(str(error) or type(error).__name__) from None
        raise AssertionError("unreachable")

    def _ordered(self, reply: Any, count: int) -> list[dict[str, Any]]:
        """The rows of a batch reply by their `index`: a list, a list under `data` or `results`, or
        a bare row where the batch is of one."""
        rows = reply
        if isinstance(reply, dict):
            rows = reply.get("data", reply.get("results", [reply]))
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self._nonsense("the reply is no list of rows")
        places = [row.get("index", place) for place, row in enumerate(rows)]
        if not all(isinstance(place, int) for place in places):
            raise self._nonsense("a row's index is no number")
        if sorted(places) != list(range(count)):
            raise self._nonsense(f"{count} inputs came back as rows {sorted(places)}")
        ordered = dict(zip(places, rows, strict=True))
        return [ordered[index] for index in range(count)]

    def _vector(self, value: Any) -> bytes:
        """Base64, a list of numbers, or such a list nested in one-element lists."""
        while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
            value = value[0]
        try:
            floats = array("f", base64.b64decode(value) if isinstance(value, str) else value)
        except (TypeError, ValueError, OverflowError, binascii.Error):
            raise self._nonsense("a vector is no list of numbers") from None
        norm = sum(map(mul, floats, floats))
        if not 0.98 < norm < 1.02 or (self._dimensions and len(floats) != self._dimensions):
            raise self._nonsense(f"a vector has {len(floats)} numbers and squares to {norm}")
        if sys.byteorder == "big":
            floats.byteswap()
        return floats.tobytes()

    def _decode(self, content: bytes) -> Any:
        try:
            return from_json(content)
        except ValueError:
            raise self._nonsense("it is no JSON") from None

    def _refused(self, status: int, content: bytes) -> Exception:
        try:
            message = _at(from_json(content), "error", "message") or ""
        except ValueError:
            message = content[:200].decode(errors="replace")
        if status == 503:
            return Unreachable(str(message))
        if status == 400 and "grammar" in str(message):
            return ContractError(Reason.INVALID_ARGUMENT, str(message), field="grammar")
        return ContractError(
            Reason.UPSTREAM_FAILED,
            f"llama-server answered {status}: {message}",
            role=self.model.role.value,
        )

    def _nonsense(self, detail: str) -> ContractError:
        message = f"llama-server's answer cannot be used: {detail}"
        return ContractError(Reason.UPSTREAM_INVALID, message, role=self.model.role.value)

    def _slow(self) -> ContractError:
        message = f"llama-server took longer than {self._timeout.total:g} s"
        return ContractError(Reason.UPSTREAM_TIMEOUT, message, role=self.model.role.value)


def _is_score(value: Any) -> bool:
    """Whether it is a finite number, and not the one by which llama-server marks a failure."""
    return isinstance(value, (int, float)) and math.isfinite(value) and value != _FAILED


def _at(value: Any, *path: str | int) -> Any:
    """The value at a path into JSON; none where the path leads nowhere."""
    for step in path:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            return None
    return value
