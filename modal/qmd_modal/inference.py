"""What a call does between request and llama-server: window checks, cutting, prompts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from .contract import ContractError, Frame, GenerateRequest, Reason, RerankRequest
from .llama import Generation, LlamaServer


async def embed(server: LlamaServer, texts: Sequence[str]) -> tuple[list[bytes], list[int]]:
    """Unit vectors and token counts. Token ids are what is sent on: their number is checked before
    any work, and llama-server would read special tokens out of a text. One short text, as questions
    are, is spared that round trip where it makes no difference."""
    if len(texts) == 1 and server.takes_as_text(texts[0]):
        vector, tokens = await server.embed_text(texts[0])
        check_window(server, 0, tokens)
        return [vector], [tokens]
    inputs = await server.tokenize(texts, add_special=True)
    for index, ids in enumerate(inputs):
        if not ids:
            message = f"texts.{index}: the text has no tokens"
            raise ContractError(Reason.INVALID_ARGUMENT, message, field=f"texts.{index}")
        check_window(server, index, len(ids))
    return await server.embed(inputs), [len(ids) for ids in inputs]


async def rerank(server: LlamaServer, request: RerankRequest) -> tuple[list[float], list[int]]:
    """Scores, and the indexes of the documents that were cut."""
    if server.model.scoring == "head":
        if request.frame is not None:
            message = "frame: this model has a rank head and takes no frame"
            raise ContractError(Reason.INVALID_ARGUMENT, message, field="frame")
        return await _rerank_by_head(server, request.query, request.documents)
    if request.frame is None:
        message = "frame: this model has no rank head and needs a frame"
        raise ContractError(Reason.INVALID_ARGUMENT, message, field="frame")
    return await _rerank_by_verdict(server, request.frame, request.documents)


async def generate(
    server: LlamaServer, request: GenerateRequest, deadline: float | None
) -> Generation:
    """The continuation of a prompt."""
    (bare,) = await server.tokenize([request.prompt], add_special=False, parse_special=True)
    prompt = server.wrap(bare)
    if not prompt:
        raise ContractError(Reason.INVALID_ARGUMENT, "prompt: it has no tokens", field="prompt")
    check_window(server, 0, len(prompt) + request.max_tokens)
    return await server.generate(prompt, request, deadline)


async def detokenize(server: LlamaServer, items: Sequence[Sequence[int]]) -> list[str]:
    """The text of each token list."""
    size = server.vocabulary.size
    for index, ids in enumerate(items):
        # `max` first: the loop in C finds that nearly all lists are fine.
        if ids and max(ids) >= size:
            place = next(place for place, token in enumerate(ids) if token >= size)
            field = f"items.{index}.{place}"
            message = f"{field}: the model has no token {ids[place]}"
            raise ContractError(Reason.INVALID_ARGUMENT, message, field=field)
    return await server.detokenize(items)


def check_window(server: LlamaServer, index: int, tokens: int) -> None:
    """Raises `INPUT_TOO_LONG` when an input does not fit."""
    model = server.model
    if tokens > model.window:
        raise ContractError(
            Reason.INPUT_TOO_LONG,
            f"input {index} has {tokens} tokens, the {model.role.value} model takes {model.window}",
            role=model.role.value,
            index=index,
            tokens=tokens,
            limit=model.window,
        )


async def _rerank_by_verdict(
    server: LlamaServer, frame: Frame, documents: Sequence[str]
) -> tuple[list[float], list[int]]:
    """Asks a plain instruct model for yes or no."""
    (before, after), bodies = await asyncio.gather(
        server.tokenize([frame.before, frame.after], add_special=False, parse_special=True),
        server.tokenize(documents, add_special=False),
    )
    before = server.wrap(before)
    check_window(server, 0, len(before) + len(after) + 1)
    # The verdict itself takes a place, where the model's own window leaves no other.
    window = min(server.model.window, server.model.trained_window - 1)
    room = window - len(before) - len(after)
    prompts = [[*before, *body[:room], *after] for body in bodies]
    cut = [index for index, body in enumerate(bodies) if len(body) > room]
    return await server.yes_no(prompts), cut


async def _rerank_by_head(
    server: LlamaServer, query: str, documents: Sequence[str]
) -> tuple[list[float], list[int]]:
    """Has llama-server put each pair together. It takes texts, so that a document is cut by
    spelling out the tokens that fit."""
    if server.model.rerank_template:
        # llama-server fills in the query first, and would then find a second place for documents.
        query = query.replace("{document}", "{ document }")
    around, bodies = await asyncio.gather(
        _tokens_around(server, query), server.tokenize(documents, add_special=False)
    )
    check_window(server, 0, around + 1)
    room = server.model.window - around
    cut = [index for index, body in enumerate(bodies) if len(body) > room]
    texts = list(documents)
    if cut:
        shortened = await _shorten(server, [bodies[index] for index in cut], room)
        for index, text in zip(cut, shortened, strict=True):
            texts[index] = text
    return await server.rank(query, texts), cut


async def _tokens_around(server: LlamaServer, query: str) -> int:
    """Tokens of a pair that are not the document's."""
    template = server.model.rerank_template
    if template is None:
        (ids,) = await server.tokenize([query], add_special=False)
        # Opening, between the two (one or two, by the tokenizer's family), closing.
        return len(ids) + 4
    prompt = template.replace("{query}", query).replace("{document}", "")
    (ids,) = await server.tokenize([prompt], add_special=False, parse_special=True)
    # The document's ends may merge with the template differently.
    return len(ids) + 2


async def _shorten(server: LlamaServer, bodies: Sequence[list[int]], room: int) -> list[str]:
    """Texts of at most `room` tokens. What is spelled out may tokenise into more than it was made
    of: those are shortened by the difference until they fit."""
    keep = [room] * len(bodies)
    while True:
        heads = [body[:size] for body, size in zip(bodies, keep, strict=True)]
        texts = await server.detokenize(heads)
        sizes = [len(ids) for ids in await server.tokenize(texts, add_special=False)]
        if max(sizes) <= room:
            return texts
        keep = [max(kept - max(size - room, 0), 0) for kept, size in zip(keep, sizes, strict=True)]
