"""What a model is for. Apart from the contract's types, so that deploying needs no package of
theirs."""

from __future__ import annotations

from enum import Enum


class Role(str, Enum):
    """What a model is for."""

    EMBED = "embed"
    RERANK = "rerank"
    GENERATE = "generate"
