"""Request bodies: reading and decompression that never yield more than the limit."""

from __future__ import annotations

import io
import zlib
from collections.abc import Awaitable, Callable
from typing import Any

import zstandard

from .contract import ContractError, Reason

# What RFC 8878 recommends a decoder to accept; more would be memory spent before the first byte.
_ZSTD_WINDOW = 8 << 20


class ClientGone(Exception):
    """Nobody waits for the answer any more."""


class Incoming:
    """The body of a request as it comes in, from ASGI's `receive`."""

    def __init__(self, receive: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self._receive = receive
        self._more = True

    async def read(self, limit: int) -> bytes:
        """All of it.

        Raises:
            ContractError: `BODY_TOO_LARGE`.
            ClientGone: the connection was closed.
        """
        parts, size = [], 0
        while self._more:
            parts.append(await self._next())
            size += len(parts[-1])
            if size > limit:
                raise too_large(limit)
        return b"".join(parts)

    async def drain(self, limit: int) -> None:
        """Reads what is left and drops it, up to the limit: a refusal sent to a client that is
        still sending is lost when the connection is closed upon unread data.

        Raises:
            ClientGone: the connection was closed.
        """
        while self._more and limit > 0:
            limit -= len(await self._next())

    async def closed(self) -> None:
        """Returns when the client has closed its connection. The body must have been read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass

    async def _next(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        self._more = message.get("more_body", False)
        return message.get("body", b"")


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """The body behind a `content-encoding`.

    Raises:
        ContractError: `UNSUPPORTED_MEDIA`, `INVALID_JSON` for damaged data, `BODY_TOO_LARGE`.
    """
    if encoding in ("", "identity"):
        plain = body
    elif encoding == "gzip":
        plain = _gunzip(body, limit)
    elif encoding == "zstd":
        plain = _unzstd(body, limit)
    else:
        raise ContractError(Reason.UNSUPPORTED_MEDIA, f"content-encoding {encoding} is not taken")
    if len(plain) > limit:
        raise too_large(limit)
    return plain


def too_large(limit: int) -> ContractError:
    """The error for a body beyond the limit."""
    return ContractError(Reason.BODY_TOO_LARGE, f"the body exceeds {limit} bytes", limit=limit)


def _gunzip(body: bytes, limit: int) -> bytes:
    # 16 + MAX_WBITS: a gzip header and trailer, checked.
    decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        plain = decoder.decompress(body, limit + 1)
    except zlib.error as error:
        raise _damaged("gzip", error) from None
    if len(plain) <= limit and (not decoder.eof or decoder.unused_data):
        raise _damaged("gzip", "it is not one whole member")
    return plain


def _unzstd(body: bytes, limit: int) -> bytes:
    decoder = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    try:
        # A frame that ends early reads as a shorter one: its JSON cannot parse then.
        return decoder.stream_reader(io.BytesIO(body)).read(limit + 1)
    except zstandard.ZstdError as error:
        raise _damaged("zstd", error) from None


def _damaged(encoding: str, detail: object) -> ContractError:
    return ContractError(Reason.INVALID_JSON, f"the {encoding} body does not decompress: {detail}")
