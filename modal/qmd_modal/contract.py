"""The HTTP contract as types: reasons, errors, requests. `contract/README.md` specifies it."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .role import Role

CONTRACT = 1

U32_MAX = 2**32 - 1


class Reason(Enum):
    """Stable reasons with their HTTP status and whether the same request can succeed later."""

    INVALID_JSON = (400, False)
    INVALID_ARGUMENT = (400, False)
    CONTRACT_MISMATCH = (400, False)
    UNAUTHORIZED = (401, False)
    NOT_FOUND = (404, False)
    METHOD_NOT_ALLOWED = (405, False)
    BODY_TOO_LARGE = (413, False)
    UNSUPPORTED_MEDIA = (415, False)
    INPUT_TOO_LONG = (422, False)
    MODEL_NOT_CONFIGURED = (422, False)
    OVERLOADED = (429, True)
    UPSTREAM_FAILED = (500, False)
    UPSTREAM_INVALID = (500, False)
    UPSTREAM_TIMEOUT = (500, False)
    INTERNAL = (500, False)
    MODEL_LOADING = (503, True)
    CHILD_RESTARTING = (503, True)
    SHUTTING_DOWN = (503, True)

    def __new__(cls, status: int, retryable: bool) -> Reason:
        """A member with a value of its own: equal values would make aliases."""
        member = object.__new__(cls)
        member._value_ = len(cls.__members__)
        member.status = status
        member.retryable = retryable
        return member

    status: int
    retryable: bool


class ContractError(Exception):
    """A failure as the caller sees it. `details` are further fields of the error body."""

    def __init__(self, reason: Reason, message: str, **details: Any) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
        self.details = details

    def body(self) -> dict[str, Any]:
        """The value of `error` in the response."""
        return {
            "reason": self.reason.name,
            "message": self.message,
            "retryable": self.reason.retryable,
            **self.details,
        }


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


# JSON has no enum type: strictness would ask for a `Role` instance.
_RoleField = Annotated[Role, Field(strict=False)]
_TokenId = Annotated[int, Field(ge=0, lt=2**31)]


class EmbedRequest(_Request):
    """`POST /v1/embed`"""

    texts: list[str] = Field(min_length=1)


class Frame(_Request):
    """A reranking prompt cut at the document."""

    before: str
    after: str


class RerankRequest(_Request):
    """`POST /v1/rerank`"""

    query: str
    documents: list[str] = Field(min_length=1)
    frame: Frame | None = None


class GenerateRequest(_Request):
    """`POST /v1/generate`"""

    prompt: str
    max_tokens: int = Field(ge=1)
    temperature: float = Field(ge=0, allow_inf_nan=False)
    top_k: int = Field(ge=0, lt=2**31)
    top_p: float = Field(gt=0, le=1)
    presence_penalty: float = Field(ge=-2, le=2)
    seed: int = Field(ge=0, le=U32_MAX)
    grammar: str | None = None
    deadline_ms: int | None = Field(default=None, ge=0)


class TokenizeRequest(_Request):
    """`POST /v1/tokenize`"""

    role: _RoleField
    texts: list[str] = Field(min_length=1)
    add_special: bool


class DetokenizeRequest(_Request):
    """`POST /v1/detokenize`"""

    role: _RoleField
    items: list[list[_TokenId]] = Field(min_length=1)


def parse(model: type[_Request], body: bytes) -> Any:
    """A request from its JSON.

    Raises:
        ContractError: `INVALID_JSON`, or `INVALID_ARGUMENT` naming the first wrong field.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] == "json_invalid":
            raise ContractError(Reason.INVALID_JSON, first["msg"]) from None
        field = ".".join(str(part) for part in first["loc"])
        message = f"{field or 'the body'}: {first['msg']}"
        raise ContractError(Reason.INVALID_ARGUMENT, message, field=field) from None
