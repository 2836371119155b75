"""Requests are taken strictly; limits and encodings hold."""

from __future__ import annotations

import gzip
import json
import zlib

import pytest
import zstandard

from qmd_modal import contract
from qmd_modal.bodies import decompress
from qmd_modal.contract import ContractError, Reason
from qmd_modal.role import Role

GENERATE = {
    "prompt": "p",
    "max_tokens": 1,
    "temperature": 0,
    "top_k": 0,
    "top_p": 1,
    "presence_penalty": 0,
    "seed": 0,
}


def refusal(model: type, body: object) -> ContractError:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ContractError) as caught:
        contract.parse(model, content)
    return caught.value


def test_a_whole_request_parses() -> None:
    body = json.dumps({**GENERATE, "grammar": None, "deadline_ms": 5, "top_p": 0.5}).encode()
    request = contract.parse(contract.GenerateRequest, body)
    assert (request.top_p, request.deadline_ms, request.grammar) == (0.5, 5, None)
    body = b'{"role": "rerank", "texts": ["\\u0000", "\\ud83d\\ude42"], "add_special": true}'
    request = contract.parse(contract.TokenizeRequest, body)
    assert (request.role, request.texts) == (Role.RERANK, ["\0", "\N{SLIGHTLY SMILING FACE}"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_tokens", 0),
        ("max_tokens", 1.0),
        ("max_tokens", "1"),
        ("max_tokens", True),
        ("temperature", -0.1),
        ("temperature", "0"),
        ("top_k", -1),
        ("top_p", 0),
        ("top_p", 1.1),
        ("presence_penalty", 3),
        ("seed", 2**32),
        ("seed", -1),
        ("grammar", 1),
        ("deadline_ms", -1),
        ("prompt", None),
        ("unknown", 1),
    ],
)
def test_each_field_is_checked(field: str, value: object) -> None:
    error = refusal(contract.GenerateRequest, {**GENERATE, field: value})
    assert (error.reason, error.details["field"]) == (Reason.INVALID_ARGUMENT, field)


@pytest.mark.parametrize("field", GENERATE)
def test_each_field_is_required(field: str) -> None:
    error = refusal(contract.GenerateRequest, {k: v for k, v in GENERATE.items() if k != field})
    assert (error.reason, error.details["field"]) == (Reason.INVALID_ARGUMENT, field)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b'{"texts": ["\\ud800"]}', b'{"texts": ["a"]} x', b'{"texts": ["\xff"]}'],
)
def test_what_is_no_json_is_called_so(body: bytes) -> None:
    assert refusal(contract.EmbedRequest, body).reason is Reason.INVALID_JSON


@pytest.mark.parametrize("body", [[], "x", 1, None, {"texts": "x"}, {"texts": [["x"]]}])
def test_other_shapes_are_refused(body: object) -> None:
    assert refusal(contract.EmbedRequest, body).reason is Reason.INVALID_ARGUMENT


@pytest.mark.parametrize("token", [NAN := float("nan"), float("inf")])
def test_numbers_are_finite(token: float) -> None:
    error = refusal(contract.GenerateRequest, {**GENERATE, "temperature": token})
    assert error.reason in (Reason.INVALID_ARGUMENT, Reason.INVALID_JSON)


@pytest.mark.parametrize("role", ["", "EMBED", "expand", 1, None])
def test_roles_are_the_three(role: object) -> None:
    error = refusal(contract.DetokenizeRequest, {"role": role, "items": [[1]]})
    assert error.details["field"] == "role"


@pytest.mark.parametrize("token", [-1, 2**31, 1.5, "1"])
def test_token_ids_are_whole_and_not_negative(token: object) -> None:
    error = refusal(contract.DetokenizeRequest, {"role": "embed", "items": [[1], [0, token]]})
    assert error.details["field"] == "items.1.1"


PLAIN = json.dumps({"texts": ["hello"] * 100}).encode()
ENCODERS = {
    "": bytes,
    "identity": bytes,
    "gzip": gzip.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize("encoding", ENCODERS)
def test_encodings_are_undone(encoding: str) -> None:
    assert decompress(ENCODERS[encoding](PLAIN), encoding, len(PLAIN)) == PLAIN


@pytest.mark.parametrize("encoding", ENCODERS)
def test_the_limit_holds_after_decompression(encoding: str) -> None:
    with pytest.raises(ContractError) as caught:
        decompress(ENCODERS[encoding](PLAIN), encoding, len(PLAIN) - 1)
    assert caught.value.reason is Reason.BODY_TOO_LARGE


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_a_bomb_is_not_unpacked(encoding: str) -> None:
    """A gigabyte of zeros in a few kilobytes: were it unpacked, this would take seconds."""
    if encoding == "gzip":
        packer = zlib.compressobj(wbits=31)
        bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
    else:
        bomb = zstandard.ZstdCompressor().compress(bytes(64 << 20))
    with pytest.raises(ContractError) as caught:
        decompress(bomb, encoding, 1 << 10)
    assert caught.value.reason is Reason.BODY_TOO_LARGE


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("damage", ["noise", "truncated"])
def test_damaged_bodies_are_refused(encoding: str, damage: str) -> None:
    body = b"noise" if damage == "noise" else ENCODERS[encoding](PLAIN)[:-9]
    with pytest.raises(ContractError) as caught:
        contract.parse(contract.EmbedRequest, decompress(body, encoding, 1 << 20))
    assert caught.value.reason is Reason.INVALID_JSON


def test_other_encodings_are_refused() -> None:
    with pytest.raises(ContractError) as caught:
        decompress(b"", "br", 10)
    assert caught.value.reason is Reason.UNSUPPORTED_MEDIA
