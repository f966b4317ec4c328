"""What comes out beside the engine's own values: pages, reports and results, all frozen. None holds PHI itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any, Literal

from . import _core
from ._core import AuditRecord, Order, OrderSummary
from ._errors import MedorderError

_DETAILS = ("old_status", "new_status", "reason", "subject")


@dataclass(frozen=True, slots=True, repr=False)
class OrderPage:
    """A page of a list, newest first. `polars.DataFrame(page)` and `pyarrow.table(page)` take it, PHI included."""

    orders: list[Order]
    """The orders, each disclosed to the actor and in the audit."""
    next_cursor: str | None
    """Where the next page starts; None at the end."""
    feed_cursor: str
    """Where a subscription starts that misses nothing since this page."""

    def to_dict(self) -> dict[str, Any]:
        """The same as the wire's JSON has it, PHI included."""
        orders = [order.to_dict() for order in self.orders]
        return {"orders": orders, "next_cursor": self.next_cursor, "feed_cursor": self.feed_cursor}

    def __iter__(self) -> Iterator[Order]:
        return iter(self.orders)

    def __len__(self) -> int:
        return len(self.orders)

    def __repr__(self) -> str:
        return f"OrderPage({len(self.orders)} orders, next_cursor={self.next_cursor!r})"

    def _repr_html_(self) -> str:
        columns = ("id", "status", "version", "created_at", "updated_at")
        rows = ([*(getattr(order, name) for name in columns), *_masked(order)] for order in self.orders)
        return _table("OrderPage", (*columns, "disclosed"), rows)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return _core.orders_stream(self.orders)


@dataclass(frozen=True, slots=True, repr=False)
class AuditPage:
    """Entries in the order of the chain. `polars.DataFrame(page)` and `pyarrow.table(page)` take it."""

    records: list[AuditRecord]
    next: int | None
    """Give this as `after` for the next page; None at the end."""

    @classmethod
    def of(cls, page: dict[str, Any]) -> AuditPage:
        """From the wire's JSON."""
        records = []
        for record in page["records"]:
            details = {name: record["details"].get(name) for name in _DETAILS}
            time = datetime.fromisoformat(record["timestamp"])
            del record["details"]
            records.append(AuditRecord(**{**record, **details, "timestamp": time}))
        return cls(records, page["next"])

    def to_dict(self) -> dict[str, Any]:
        """The same as the wire's JSON has it."""
        return {"records": [record.to_dict() for record in self.records], "next": self.next}

    def __iter__(self) -> Iterator[AuditRecord]:
        return iter(self.records)

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        return f"AuditPage({len(self.records)} records, next={self.next})"

    def _repr_html_(self) -> str:
        columns = ("seq", "timestamp", "user_id", "action", "outcome", "order_id", "old_status", "new_status")
        rows = ([getattr(record, name) for name in columns] for record in self.records)
        return _table("AuditPage", columns, rows)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return _core.audit_stream(self.records)


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one item of a batch."""

    status: Literal["success", "error", "not_applied"]
    """`not_applied`: it had no fault, but the batch was atomic and another item failed."""
    order: OrderSummary | None = None
    error: MedorderError | None = None

    @classmethod
    def of(cls, result: OrderSummary | MedorderError | None) -> BatchResult:
        """From what the engine answers for an item."""
        if result is None:
            return cls("not_applied")
        if isinstance(result, MedorderError):
            return cls("error", error=result)
        return cls("success", result)

    def to_dict(self) -> dict[str, Any]:
        """The same as the wire's JSON has it."""
        if self.error is not None:
            return self.error.to_dict()
        if self.order is not None:
            return {"status": self.status, "data": self.order.to_dict()}
        return {"status": self.status}


@dataclass(frozen=True, slots=True)
class TransitionOption:
    """One status, and whether the actor may move the order there now."""

    status: str
    allowed: bool
    """True if a request with all that it needs would pass."""
    needs: list[str]
    """What the caller must still supply; it never makes `allowed` false."""
    why: str | None = None
    """Why not, if it is not allowed."""

    def to_dict(self) -> dict[str, Any]:
        """The same as the wire's JSON has it."""
        why = {} if self.why is None else {"why": self.why}
        return {"status": self.status, "allowed": self.allowed, **why, "needs": list(self.needs)}


@dataclass(frozen=True, slots=True, repr=False)
class Relationship:
    """A provider who may order for a patient."""

    patient_id: str
    provider_id: str

    def to_dict(self) -> dict[str, Any]:
        """The same as the wire's JSON has it."""
        return {"patient_id": self.patient_id, "provider_id": self.provider_id}

    def __repr__(self) -> str:
        return "Relationship(..)"


@dataclass(frozen=True, slots=True)
class RelationshipPage:
    """A page of the registry."""

    relationships: list[Relationship]
    next: Relationship | None
    """Give this as `after` for the next page; None at the end."""

    @classmethod
    def of(cls, page: dict[str, Any]) -> RelationshipPage:
        """From the wire's JSON."""
        pairs = [Relationship(**pair) for pair in page["relationships"]]
        return cls(pairs, None if page["next"] is None else Relationship(**page["next"]))

    def to_dict(self) -> dict[str, Any]:
        """The same as the wire's JSON has it."""
        pairs = [pair.to_dict() for pair in self.relationships]
        return {"relationships": pairs, "next": None if self.next is None else self.next.to_dict()}

    def __iter__(self) -> Iterator[Relationship]:
        return iter(self.relationships)

    def __len__(self) -> int:
        return len(self.relationships)


Verdict = Literal["intact", "rolled_back", "truncated", "tampered"]


@dataclass(frozen=True, slots=True)
class BadRecord:
    """Where the first fault is."""

    what: str
    seq: int | None = None
    order_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as the wire's JSON has it."""
        members = {"seq": self.seq, "order_id": self.order_id, "what": self.what}
        return {name: value for name, value in members.items() if value is not None}


@dataclass(frozen=True, slots=True)
class ChainReport:
    """What is true of one chain and its orders."""

    territory_id: str
    """Empty for the system chain."""
    verdict: Verdict
    anchored: bool
    entries: int
    orders: int
    first_bad: BadRecord | None = None

    def to_dict(self) -> dict[str, Any]:
        """The same as the wire's JSON has it."""
        bad = {} if self.first_bad is None else {"first_bad": self.first_bad.to_dict()}
        names = ("territory_id", "verdict", "anchored", "entries", "orders")
        return {**{name: getattr(self, name) for name in names}, **bad}


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a verification found, over all its chains."""

    verdict: Verdict
    anchored: bool
    """True if every chain was compared with a checkpoint from outside the database."""
    chains: list[ChainReport]

    @classmethod
    def of(cls, report: dict[str, Any]) -> VerifyReport:
        """From the wire's JSON."""
        chains = []
        for chain in report["chains"]:
            bad = chain.pop("first_bad", None)
            chains.append(ChainReport(**chain, first_bad=None if bad is None else BadRecord(**bad)))
        return cls(report["verdict"], report["anchored"], chains)

    def to_dict(self) -> dict[str, Any]:
        """The same as the wire's JSON has it."""
        chains = [chain.to_dict() for chain in self.chains]
        return {"verdict": self.verdict, "anchored": self.anchored, "chains": chains}


@dataclass(frozen=True, slots=True)
class RotationReport:
    """What a rotation did."""

    version: int
    """The key version that every order is wrapped under now."""
    rewrapped: int
    resumed: bool
    """True if an earlier rotation had stopped half way and this one finished it."""

    def to_dict(self) -> dict[str, Any]:
        """The same as the wire's JSON has it."""
        return {"version": self.version, "rewrapped": self.rewrapped, "resumed": self.resumed}


def _masked(order: Order) -> list[str]:
    return [", ".join(f"{name} <phi>" for name in order.disclosed)]


def _table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    def row(cells: Sequence[object], tag: str) -> str:
        texts = ("" if cell is None else str(cell) for cell in cells)
        return "<tr>" + "".join(f"<{tag}>{escape(text)}</{tag}>" for text in texts) + "</tr>"

    body = "".join(row(cells, "td") for cells in rows)
    return f"<table><caption>{escape(caption)}</caption>{row(columns, 'th')}{body}</table>"
