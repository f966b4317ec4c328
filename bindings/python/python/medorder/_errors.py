"""The one table of errors as exceptions: a class for each kind, and for the codes a program handles alone."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from . import _core


class ErrorCode(NamedTuple):
    """A row of the table, the same in every language."""

    name: str
    number: int
    kind: str
    retryable: bool
    http_status: int


ERROR_TABLE: dict[str, ErrorCode] = {row[0]: ErrorCode(*row) for row in _core.error_table()}
"""Every code by its name, in the order of the numbers."""


class MedorderError(Exception):
    """Why a call failed. `code` is the contract; the message is for people, holds no PHI and may change."""

    code: str
    """The stable name, like `ORDER_NOT_FOUND`."""
    message: str
    """What happened, in lower case."""
    details: dict[str, Any]
    """What a program needs to react, like `errors` of a `VALIDATION_ERROR`: every fault with `path` and `rule`."""

    def __init__(self, message: str, code: str = "INTERNAL", details: dict[str, Any] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details = {} if details is None else details

    @property
    def number(self) -> int:
        """The number of the code; the thousands digit is the kind."""
        return ERROR_TABLE[self.code].number

    @property
    def kind(self) -> str:
        """What to do: `invalid`, `denied`, `missing`, `conflict`, `unavailable`, `data`, `usage`, `internal`."""
        return ERROR_TABLE[self.code].kind

    @property
    def retryable(self) -> bool:
        """True if the same call may succeed later and changed nothing now."""
        return ERROR_TABLE[self.code].retryable

    def to_dict(self) -> dict[str, Any]:
        """The body of a failure as the wire's JSON has it."""
        error = {"code": self.code, "message": self.message, "details": self.details}
        return {"status": "error", "error": error}

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.message, self.code, self.details)


class InvalidError(MedorderError, ValueError):
    """Fix the request."""


class ValidationError(InvalidError):
    """The request breaks a rule; `details["errors"]` lists every fault."""


class TransitionError(InvalidError):
    """The workflow does not allow this change now; `details` says why, and what it allows."""


class DeniedError(MedorderError, PermissionError):
    """Ask for access."""


class NotFoundError(MedorderError, LookupError):
    """There is no such thing."""


class ConflictError(MedorderError):
    """Somebody else was faster: read again, then decide again."""


class UnavailableError(MedorderError):
    """Try later."""


class OutcomeUnknownError(UnavailableError):
    """The change may have happened: read again, or retry with the same idempotency key."""


class DataError(MedorderError):
    """Stored data is not what this library wrote, or the key is another one: stop and tell an operator."""


class ClosedError(MedorderError, RuntimeError):
    """The handle is closed, or of the parent of a fork, or the call comes from inside a callback."""


class InternalError(MedorderError, RuntimeError):
    """A fault of this library."""


class KeyRefused(Exception):
    """To be raised by `unwrap` of a key provider: the blob is not of this root key and context."""


_BY_CODE = {
    "VALIDATION_ERROR": ValidationError,
    "INVALID_STATUS_TRANSITION": TransitionError,
    "OUTCOME_UNKNOWN": OutcomeUnknownError,
}
_BY_KIND = {
    "invalid": InvalidError,
    "denied": DeniedError,
    "missing": NotFoundError,
    "conflict": ConflictError,
    "unavailable": UnavailableError,
    "data": DataError,
    "usage": ClosedError,
    "internal": InternalError,
}


def of(code: str, message: str, details: str) -> MedorderError:
    """The exception for an error of the engine."""
    return (_BY_CODE.get(code) or _BY_KIND[ERROR_TABLE[code].kind])(message, code, json.loads(details))
