"""What is known of a model file before its server answers: identity, window, tokenizer spacing."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .gguf import GgufError, read_metadata
from .role import Role
from .settings import ModelSettings

# `LLAMA_POOLING_TYPE_*` as stored in files, by their names on llama-server's command line.
_POOLINGS = {1: "mean", 2: "cls", 3: "last"}
_RANK_POOLING = 4

# Byte-pair pre-tokenizers whose detokeniser removes spaces before punctuation: those for which
# llama.cpp (build 11434, `llama-vocab.cpp`) leaves `clean_spaces` on. Newer ones all keep spaces.
_BPE_CLEANS_SPACES = frozenset(
    """
    default minicpm5 llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano
    falcon mpt starcoder gpt-2 phi-2 jina-es jina-de gigachat jina-v2-es jina-v2-de a.x-4.0 mellum
    modern-bert jais-2 gemma4 granite-embed-multi-311m mmbert jina-v1-en jina-v2-code roberta-bpe
    whitespace refact stablelm2 olmo dbrx smaug-bpe chatglm-bpe glm4 glm5 jais codeshell bloom
    gpt3-finnish exaone exaone4 exaone-moe minerva-7b megrez mellum2
    """.split()
)

# Token types that are found in a text only where its markup is to be read (llama.cpp,
# `tokenizer_st_partition`): unknown and control.
_MARKUP_TYPES = (2, 3)

# How the names begin that llama.cpp takes for markup whatever type a file gives them.
_MARKUP_NAMES = "<[_\u2581"

_VOCABULARY = ("tokenizer.ggml.tokens", "tokenizer.ggml.token_type")

_CLEANING = (
    (re.compile(r" (?=[?!.,])"), ""),
    (re.compile(r" ' "), "'"),
    (re.compile(r" (?='(?:[sm]|re|ve))"), ""),
)


@dataclass(frozen=True)
class Model:
    """A GGUF file in its role."""

    role: Role
    path: Path
    size: int
    architecture: str
    name: str
    window: int
    """Longest input in tokens, special tokens included."""
    trained_window: int
    """What the model was trained on: llama-server's own limit."""
    pooling: str | None
    """llama-server's `--pooling`; none for a generator and for a reranker without a head."""
    chat_template: str | None
    """How it wants turns of a conversation marked; the caller reads it, nothing here does."""
    rerank_template: str | None
    """The prompt template of a decoder reranker, with `{query}` and `{document}`."""
    closes_pairs: bool
    """Whether the tokenizer ends each half of a query-document pair with a token of its own."""
    strips_leading_space: bool
    cleans_spaces: bool
    markup_begins: frozenset[str]
    """Characters with which special tokens' markup begins: a text without them has none."""

    @property
    def scoring(self) -> str | None:
        """How a reranker scores: `head` or `yes_no`; none in other roles."""
        if self.role is not Role.RERANK:
            return None
        return "head" if self.pooling else "yes_no"

    @property
    def head_is_normalised(self) -> bool:
        """Whether the rank head's graph ends in a softmax already (llama.cpp, `build_pooling`)."""
        return self.architecture.startswith("qwen3")


def load(settings: ModelSettings) -> Model:
    """Reads the head of the file.

    Raises:
        GgufError: it is no GGUF file of a model.
    """
    data = read_metadata(settings.path, _VOCABULARY if settings.role is Role.EMBED else ())
    architecture = data.get("general.architecture")
    if not isinstance(architecture, str):
        raise GgufError(f"{settings.path} names no architecture")
    trained = data.get(f"{architecture}.context_length")
    if not isinstance(trained, int) or trained < 1:
        raise GgufError(f"{settings.path} has no {architecture}.context_length")
    tokenizer = data.get("tokenizer.ggml.model")
    pre = data.get("tokenizer.ggml.pre", "default")
    return Model(
        role=settings.role,
        path=settings.path,
        size=settings.path.stat().st_size,
        architecture=architecture,
        name=data.get("general.name") or settings.path.name,
        window=min(settings.window, trained),
        trained_window=trained,
        pooling=_pooling(settings, architecture, data),
        chat_template=data.get("tokenizer.chat_template"),
        rerank_template=data.get("tokenizer.chat_template.rerank"),
        # Unigram vocabularies ("t5") do unless told otherwise.
        closes_pairs=data.get("tokenizer.ggml.add_eos_token", tokenizer == "t5"),
        # SentencePiece vocabularies ("llama") put a space before a text unless told otherwise.
        strips_leading_space=data.get("tokenizer.ggml.add_space_prefix", tokenizer == "llama"),
        cleans_spaces=tokenizer == "bert" or (tokenizer == "gpt2" and pre in _BPE_CLEANS_SPACES),
        markup_begins=_markup_begins(*(data.get(key) for key in _VOCABULARY)),
    )


def _markup_begins(tokens: Any, types: Any) -> frozenset[str]:
    begins = set(_MARKUP_NAMES)
    # A file without types has normal tokens alone.
    if isinstance(tokens, list) and isinstance(types, list):
        marks = (token for token, kind in zip(tokens, types, strict=False) if kind in _MARKUP_TYPES)
        begins.update(token[0] for token in marks if isinstance(token, str) and token)
    return frozenset(begins)


def _pooling(settings: ModelSettings, architecture: str, data: dict[str, Any]) -> str | None:
    stored = data.get(f"{architecture}.pooling_type")
    if settings.role is Role.EMBED:
        return settings.pooling or _POOLINGS.get(stored, "mean")
    if settings.role is Role.RERANK and (stored == _RANK_POOLING or "bert" in architecture):
        return "rank"
    return None


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in lower-case hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def spell(model: Model, pieces: str) -> str:
    """What llama.cpp's detokeniser makes of concatenated token pieces, which is all that
    llama-server returns: it drops the space of the first word and tidies English spacing."""
    if model.strips_leading_space:
        pieces = pieces.removeprefix(" ")
    return _clean_spaces(pieces) if model.cleans_spaces else pieces


def _clean_spaces(text: str) -> str:
    """llama.cpp's three passes (`llama_vocab::impl::detokenize`)."""
    for pattern, replacement in _CLEANING:
        text = pattern.sub(replacement, text)
    return text
