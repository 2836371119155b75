"""Model files are read without trust, and llama.cpp's spelling is followed."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import pytest

from qmd_modal import model
from qmd_modal.gguf import GgufError, read_metadata
from qmd_modal.role import Role
from qmd_modal.settings import ModelSettings

from .support import gguf, tiny_model

BERT = {
    "general.architecture": "bert",
    "bert.context_length": 512,
    "bert.pooling_type": 1,
    "tokenizer.ggml.model": "bert",
    "tokenizer.ggml.tokens": ["[PAD]", "[UNK]", "▁hello", "{x}", ""],
    "tokenizer.ggml.token_type": [3, 2, 1, 4, 3],
    "tokenizer.ggml.add_eos_token": False,
}


def load(folder: Path, pairs: dict[str, Any], role: Role = Role.EMBED, **more: Any) -> model.Model:
    path = folder / "m.gguf"
    path.write_bytes(gguf(pairs))
    return load_file(path, role, **more)


def load_file(path: Path, role: Role = Role.EMBED, **more: Any) -> model.Model:
    return model.load(ModelSettings(role, path, **more))


def test_metadata_is_read(tmp_path: Path) -> None:
    (tmp_path / "m.gguf").write_bytes(gguf(BERT))
    lengths = {"tokenizer.ggml.tokens": 5, "tokenizer.ggml.token_type": 5}
    assert read_metadata(tmp_path / "m.gguf") == {**BERT, **lengths}
    assert read_metadata(tmp_path / "m.gguf", tuple(lengths)) == BERT


def test_no_bytes_break_the_reader(tmp_path: Path) -> None:
    whole, noise, path = gguf(BERT), random.Random(7), tmp_path / "m.gguf"
    cases = [whole[:size] for size in range(len(whole))]
    for _ in range(500):
        damaged = bytearray(whole)
        for _ in range(noise.randint(1, 4)):
            damaged[noise.randrange(len(damaged))] = noise.randrange(256)
        cases.append(bytes(damaged))
    for case in cases:
        path.write_bytes(case)
        with contextlib.suppress(GgufError):
            read_metadata(path)
        with contextlib.suppress(GgufError):
            load_file(path)


@pytest.mark.parametrize("content", [b"", b"<html>", b"GGUF\x01\0\0\0" + bytes(16)])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(GgufError, match=r"m\.gguf"):
        read_metadata(path)
    with pytest.raises(GgufError, match="cannot be read"):
        read_metadata(tmp_path / "absent.gguf")


def test_windows_are_the_smaller_of_ours_and_the_models(tmp_path: Path) -> None:
    assert load(tmp_path, BERT).window == 512
    assert load(tmp_path, BERT, window=128).window == 128
    assert load(tmp_path, {**BERT, "bert.context_length": 8192}).window == 2048
    with pytest.raises(GgufError, match="context_length"):
        load(tmp_path, {**BERT, "bert.context_length": 0})
    with pytest.raises(GgufError, match="architecture"):
        load(tmp_path, {"a": "b"})


@pytest.mark.parametrize(
    ("pairs", "role", "pooling", "scoring"),
    [
        (BERT, Role.EMBED, "mean", None),
        ({**BERT, "bert.pooling_type": 2}, Role.EMBED, "cls", None),
        ({**BERT, "bert.pooling_type": 0}, Role.EMBED, "mean", None),
        (BERT, Role.RERANK, "rank", "head"),
        ({"general.architecture": "qwen3", "qwen3.context_length": 9}, Role.RERANK, None, "yes_no"),
        (
            {
                "general.architecture": "qwen3",
                "qwen3.context_length": 9,
                "qwen3.pooling_type": 4,
            },
            Role.RERANK,
            "rank",
            "head",
        ),
        ({"general.architecture": "llama", "llama.context_length": 9}, Role.GENERATE, None, None),
    ],
)
def test_how_a_model_is_used(
    tmp_path: Path, pairs: dict[str, Any], role: Role, pooling: str | None, scoring: str | None
) -> None:
    found = load(tmp_path, pairs, role)
    assert (found.pooling, found.scoring) == (pooling, scoring)


def test_the_setting_overrules_the_files_pooling(tmp_path: Path) -> None:
    assert load(tmp_path, BERT, pooling="last").pooling == "last"


def test_the_name_falls_back_to_the_file(tmp_path: Path) -> None:
    assert load(tmp_path, BERT).name == "m.gguf"
    assert load(tmp_path, {**BERT, "general.name": "MiniLM"}).name == "MiniLM"


def test_hashes(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert model.file_sha256(tmp_path / "f") == expected


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ("[CLS] hello world ?[SEP]", "[CLS] hello world?[SEP]"),
        ("a . b , c ! d ?", "a. b, c! d?"),
        ("a  . b", "a . b"),
        (" .", "."),
        ("o ' clock", "o'clock"),
        ("a ' ' b", "a'' b"),
        ("it 's i 'm we 're they 've", "it's i'm we're they've"),
        ("can 't i 'll he 'd", "can 't i 'll he 'd"),
        ("", ""),
        ("?", "?"),
    ],
)
def test_word_piece_spelling(tmp_path: Path, pieces: str, text: str) -> None:
    assert model.spell(load(tmp_path, BERT), pieces) == text


@pytest.mark.parametrize(
    ("tokenizer", "more", "text"),
    [
        ("llama", {}, "a . b"),
        ("llama", {"tokenizer.ggml.add_space_prefix": False}, " a . b"),
        ("gpt2", {"tokenizer.ggml.pre": "qwen2"}, " a . b"),
        ("gpt2", {"tokenizer.ggml.pre": "smollm"}, " a . b"),
        ("gpt2", {"tokenizer.ggml.pre": "gpt-2"}, " a. b"),
        ("gpt2", {}, " a. b"),
        ("t5", {"tokenizer.ggml.add_space_prefix": True}, "a . b"),
    ],
)
def test_other_spellings(tmp_path: Path, tokenizer: str, more: dict[str, Any], text: str) -> None:
    found = load(tmp_path, {**BERT, "tokenizer.ggml.model": tokenizer, **more})
    assert model.spell(found, " a . b") == text


def test_tiny_models_differ_by_role(tmp_path: Path) -> None:
    scoring = {
        role: model.load(ModelSettings(role, tiny_model(tmp_path, role))).scoring for role in Role
    }
    assert scoring == {Role.EMBED: None, Role.RERANK: "head", Role.GENERATE: None}


def test_special_tokens_are_known_by_what_they_begin_with(tmp_path: Path) -> None:
    tokens, types = "tokenizer.ggml.tokens", "tokenizer.ggml.token_type"
    assert load(tmp_path, BERT).markup_begins == frozenset("<[_▁")
    named = {**BERT, tokens: ["«end»", "{x}", "no"], types: [3, 4, 1]}
    assert load(tmp_path, named).markup_begins == frozenset("<[_▁«")
    for odd in ({types: "3"}, {tokens: [1, 2, 3, 4, 5]}, {tokens: 5}):
        assert load(tmp_path, {**BERT, **odd}).markup_begins >= frozenset("<[")
