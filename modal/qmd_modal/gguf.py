"""Reads the metadata at the head of a GGUF file (format versions 2 and 3)."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Container
from pathlib import Path
from typing import Any

_MAGIC = b"GGUF"
_STRING, _ARRAY = 8, 9
# Value types by number: the `struct` code of each fixed-size one.
_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}


class GgufError(Exception):
    """The file is no GGUF file, or a damaged one."""


def read_metadata(path: Path, whole: Container[str] = ()) -> dict[str, Any]:
    """The file's key-value pairs. Of an array only its length is kept, but for those named `whole`.

    Raises:
        GgufError: the file cannot be read as GGUF.
    """
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view,
        ):
            return _Reader(view).metadata(whole)
    except (OSError, ValueError) as error:
        raise GgufError(f"{path} cannot be read: {error}") from None
    except (struct.error, OverflowError, UnicodeDecodeError, GgufError) as error:
        raise GgufError(f"{path} is no usable GGUF file: {error}") from None


class _Reader:
    def __init__(self, view: mmap.mmap) -> None:
        self.view = view
        self.at = 0

    def metadata(self, whole: Container[str]) -> dict[str, Any]:
        if self.view[:4] != _MAGIC:
            raise GgufError("it does not start with GGUF")
        self.at = 4
        version = self.scalar("I")
        if version not in (2, 3):
            raise GgufError(f"its format version is {version}")
        self.scalar("Q")  # tensor count
        pairs = {}
        for _ in range(self.scalar("Q")):
            key = self.string()
            pairs[key] = self.value(self.scalar("I"), key in whole)
        return pairs

    def scalar(self, code: str) -> Any:
        layout = struct.Struct("<" + code)
        (value,) = layout.unpack_from(self.view, self.at)
        self.at += layout.size
        return value

    def string(self) -> str:
        return self.take(self.scalar("Q")).decode()

    def take(self, size: int) -> bytes:
        start, self.at = self.at, self.at + size
        if self.at > len(self.view):
            raise GgufError("a string runs past the end of the file")
        return self.view[start : self.at]

    def value(self, kind: int, whole: bool) -> Any:
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            return self.array() if whole else self.array_length()
        return self.scalar(self.code(kind))

    def array(self) -> list[Any]:
        kind, count = self.scalar("I"), self.scalar("Q")
        if kind == _STRING:
            return [self.string() for _ in range(count)]
        layout = struct.Struct("<" + self.code(kind))
        size = layout.size * count
        return [value for (value,) in layout.iter_unpack(self.take(size))]

    def array_length(self) -> int:
        kind, count = self.scalar("I"), self.scalar("Q")
        if kind == _STRING:
            self.skip_strings(count)
        else:
            self.at += struct.calcsize("<" + self.code(kind)) * count
        return count

    def skip_strings(self, count: int) -> None:
        """Vocabularies have hundreds of thousands of strings: the loop is kept bare."""
        unpack, view, at = struct.Struct("<Q").unpack_from, self.view, self.at
        for _ in range(count):
            at += 8 + unpack(view, at)[0]
        self.at = at

    @staticmethod
    def code(kind: int) -> str:
        if kind not in _SCALARS:
            raise GgufError(f"it has a value of unknown type {kind}")
        return _SCALARS[kind]
