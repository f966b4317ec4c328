"""What goes in: plain dicts, with their members known to editors and type checkers."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, NotRequired, Protocol, TypedDict

OrderStatus = Literal["pending_verification", "verified", "in_progress", "completed", "cancelled", "rejected"]
InsuranceStatus = Literal["confirmed", "denied", "unsupported", "not_checked", "error"]
Purpose = Literal["treatment", "payment", "operations", "patient_request", "legal", "emergency"]
PhiField = Literal["service_type", "diagnosis_codes", "notes", "insurance", "insurance_verification"]
BatchMode = Literal["atomic", "each"]


class Actor(TypedDict):
    """Whom your program has authenticated; the engine never invents an identity."""

    user_id: str
    roles: Sequence[str]
    """`requester`, `verifier`, `fulfiller`, `auditor`, `administrator`, or roles of your own policy."""
    territories: Sequence[str]
    """Names, or `"*"` for all."""
    purpose: Purpose
    expires_at: NotRequired[datetime | str | None]
    request_id: NotRequired[str | None]
    source: NotRequired[str | None]


class InsuranceData(TypedDict):
    """PHI: who pays."""

    carrier: str
    policy_number: str
    group_number: NotRequired[str | None]


class CreateOrderRequest(TypedDict):
    """A new order."""

    patient_id: str
    provider_id: str
    service_type: str
    """PHI: what is ordered, 1 to 256 bytes."""
    diagnosis_codes: Sequence[str]
    """PHI: at most 50 codes; may be empty."""
    notes: NotRequired[str | None]
    """PHI: at most 64 KiB."""
    insurance: NotRequired[InsuranceData | None]
    idempotency_key: NotRequired[str | None]
    """Your own number of the order; the same request again makes no second order."""


class VerificationData(TypedDict):
    """PHI: what the payer said, with `verified` and `rejected` only."""

    verified_by: str
    verification_method: str
    coverage_details: NotRequired[Any]
    """Any JSON, at most 64 KiB."""
    authorization_number: NotRequired[str | None]
    insurance_status: NotRequired[InsuranceStatus | None]
    valid_until: NotRequired[datetime | str | None]


class StatusChange(TypedDict):
    """A step of the workflow."""

    status: OrderStatus
    notes: NotRequired[str | None]
    """PHI: appended to the notes."""
    reason: NotRequired[str | None]
    """Not PHI: at most 200 characters that stand in event and audit and outlive a delete."""
    verification_data: NotRequired[VerificationData | None]
    expected_version: NotRequired[int | None]
    """Refuses the change if the order has another version by now."""
    idempotency_key: NotRequired[str | None]


class OrderStatusChange(StatusChange):
    """A step of one order of a batch."""

    order_id: str


class OrderFilter(TypedDict, total=False):
    """Which orders to list; all that are given must match."""

    status: Sequence[OrderStatus]
    patient_id: str
    provider_id: str
    created_from: datetime | str
    created_to: datetime | str


# The functional form, since `from` is a keyword.
AuditFilter = TypedDict(
    "AuditFilter",
    {
        "order_id": str,
        "patient_id": str,
        "user_id": str,
        "from": datetime | str,
        "to": datetime | str,
    },
    total=False,
)


class RelationshipFilter(TypedDict, total=False):
    """Which relationships to list."""

    patient_id: str
    provider_id: str


class OpenOptions(TypedDict, total=False):
    """How a service is opened."""

    create: bool
    """Whether a missing SQLite file is made; it is by default."""
    synchronous: Literal["full", "normal"]
    """Whether a commit on SQLite waits for the disk; `full` by default."""
    key_cache_ttl_ms: int
    """How long unwrapped keys and positive answers of the directory are kept; 300,000 by default."""
    commit_timeout_ms: int
    """How long a change waits for room in the queue; 30,000 by default."""
    access: Mapping[str, Any]
    """Roles of your own: `{"roles": {NAME: {"permissions": [..], "fields": [..]}}, "separate_verifier": bool}`."""
    cancel_before_start: bool
    """Adds `cancelled` from the first two states."""
    connections: int
    """Connections to PostgreSQL for readers."""
    listen_url: str
    """Where to listen if the url leads to a pooler."""
    patience_ms: int
    """How long a commit goes on trying when the PostgreSQL server goes away."""


class Keys(Protocol):
    """A key provider of your own: AWS KMS, Vault, an HSM. Called from any thread, several at once, for 5 s at most.

    `unwrap` raises `KeyRefused` if the blob is not of this root key and context; any other exception is
    `KEY_UNAVAILABLE`. A provider that ignores the context is refused when the database is opened.
    """

    def wrap(self, key: bytes, context: bytes, /) -> bytes | Awaitable[bytes]: ...
    def unwrap(self, blob: bytes, context: bytes, /) -> bytes | Awaitable[bytes]: ...


class Directory(Protocol):
    """Your own answer to who may order for whom. Called from any thread, for 5 s at most; an exception is
    `STORAGE_UNAVAILABLE`, never an answer."""

    def territory_exists(self, territory_id: str, /) -> bool | Awaitable[bool]: ...
    def relationship_exists(
        self, patient_id: str, provider_id: str, territory_id: str, /
    ) -> bool | Awaitable[bool]: ...


class Anchor(Protocol):
    """Where signed checkpoints are kept outside the database. `newest` answers the last note of a chain."""

    def keep(self, note: str, /) -> None | Awaitable[None]: ...
    def newest(self, chain: str, /) -> str | None | Awaitable[str | None]: ...
