from _typeshed import SupportsGetItem
from datetime import datetime
from os import PathLike
from typing import Any, Final, SupportsFloat, SupportsIndex, final
from typing_extensions import disjoint_base

__all__ = ["VERSION", "Admin", "AuditRecord", "Bridge", "EnvKey", "Export", "ExportedPage", "Insurance", "InsuranceVerification", "KeyFile", "Order", "OrderEvent", "OrderSummary", "Pending", "Service", "Session", "Subscription", "audit_stream", "check_process", "error_table", "flush_log", "generate_key_file", "open", "orders_stream", "shut_down"]

VERSION: Final[str]
"""
The version of the engine and of this package.
"""

@final
class Admin:
    """
    Administrative acts of one actor.
    """
    def call(self, /, name: str, arguments: Any) -> Pending:
        """
        The call `name` of the engine's table with its arguments.
        """
    def change_root(self, /, keys: Any) -> Pending: ...

@final
class AuditRecord:
    """
    One entry of the audit. Holds no PHI.
    """
    def __eq__(self, value: object, /) -> bool: ...
    def __getnewargs_ex__(self, /) -> "tuple[tuple[()], dict[str, Any]]": ...
    def __hash__(self, /) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, /, *, timestamp: datetime, user_id: str, territory_id: str, order_id: str | None, action: str, old_status: str | None, new_status: str | None, reason: str | None, subject: str | None, seq: SupportsIndex, role: str, purpose: str, outcome: str, fields: SupportsGetItem[int, str], request_id: str, source: str, row_version: SupportsIndex, hash: str) -> AuditRecord: ...
    def __repr__(self, /) -> str: ...
    @property
    def action(self, /) -> str:
        """
        What: `create`, `update_status`, `view`, `delete` or an administrative act.
        """
    @property
    def fields(self, /) -> list[str]:
        """
        The fields disclosed or changed.
        """
    @property
    def hash(self, /) -> str:
        """
        The chain hash, in hexadecimal.
        """
    @property
    def new_status(self, /) -> str | None:
        """
        The status after.
        """
    @property
    def old_status(self, /) -> str | None:
        """
        The status before.
        """
    @property
    def order_id(self, /) -> str | None:
        """
        Which order, if the entry is about one.
        """
    @property
    def outcome(self, /) -> str:
        """
        `success` or `denied`.
        """
    @property
    def purpose(self, /) -> str:
        """
        For what.
        """
    @property
    def reason(self, /) -> str | None:
        """
        The reason given.
        """
    @property
    def request_id(self, /) -> str:
        """
        The host's id of the request; may be empty.
        """
    @property
    def role(self, /) -> str:
        """
        The roles of the actor, sorted and joined by `,`.
        """
    @property
    def row_version(self, /) -> int:
        """
        The version of the order that was read or made; 0 if none.
        """
    @property
    def seq(self, /) -> int:
        """
        The place in the chain, from 1.
        """
    @property
    def source(self, /) -> str:
        """
        Where the call came from; may be empty.
        """
    @property
    def subject(self, /) -> str | None:
        """
        The object of an administrative act.
        """
    @property
    def territory_id(self, /) -> str:
        """
        Where; empty for the system chain.
        """
    @property
    def timestamp(self, /) -> datetime:
        """
        When.
        """
    def to_dict(self, /) -> "dict[str, Any]":
        """
        The same as the wire's JSON has it: statuses, reason and subject stand in `details`.
        """
    @property
    def user_id(self, /) -> str:
        """
        Who.
        """

@final
class Bridge:
    """
    What one event loop waits for.
    """
    def __new__(cls, /) -> Bridge: ...
    def answer(self, /, number: SupportsIndex) -> "Any":
        """
        The answer of a call that is done, or its error.
        """
    def cancel(self, /, number: SupportsIndex) -> None:
        """
        Ends a call that nobody waits for any more; an event it had taken goes back to its subscription.
        """
    def drain(self, /) -> list[int]:
        """
        The numbers of the calls that are done since this was asked last.
        """
    def fileno(self, /) -> int:
        """
        What the loop watches for reading.
        """
    def start(self, /, pending: Pending) -> int:
        """
        Begins a call and answers its number.
        """

@final
class EnvKey:
    """
    A root key in an environment variable, in the form of a key file's line. The variable is read once.
    """
    def __new__(cls, /, name: str) -> EnvKey: ...
    def __reduce__(self, /) -> "str": ...
    def __repr__(self, /) -> str: ...

@final
class Export:
    """
    An export in progress.
    """
    def next_page(self, /) -> Pending:
        """
        The next entries; none at the end.
        """
    @property
    def total(self, /) -> int:
        """
        How many entries there are in all.
        """

@final
class ExportedPage:
    """
    Entries of an export, with every column that their hashes cover.

    Any data frame takes it by the Arrow C stream interface: `polars.DataFrame(page)`, `pyarrow.table(page)`.
    """
    def __arrow_c_stream__(self, /, requested_schema: "object" = None) -> "object":
        """
        The entries as a stream of one Arrow table.
        """
    def __len__(self, /) -> int: ...
    def __repr__(self, /) -> str: ...
    def to_dicts(self, /) -> "list[dict[str, Any]]":
        """
        The entries as the wire's JSON has them.
        """

@final
class Insurance:
    """
    PHI: who pays.
    """
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self, /) -> "str": ...
    def __repr__(self, /) -> str: ...
    @property
    def carrier(self, /) -> str:
        """
        The insurer.
        """
    @property
    def group_number(self, /) -> str | None:
        """
        The number of the group, if there is one.
        """
    @property
    def policy_number(self, /) -> str:
        """
        The number of the policy.
        """

@final
class InsuranceVerification:
    """
    PHI: what the payer said.
    """
    def __eq__(self, other: object, /) -> bool: ...
    def __reduce__(self, /) -> "str": ...
    def __repr__(self, /) -> str: ...
    @property
    def authorization_number(self, /) -> str | None:
        """
        The payer's number of the authorisation.
        """
    @property
    def coverage_details(self, /) -> Any | None:
        """
        What the payer said in full, as parsed JSON.
        """
    @property
    def status(self, /) -> str:
        """
        A word of `InsuranceStatus`.
        """
    @property
    def valid_until(self, /) -> datetime | None:
        """
        The last moment at which work may start.
        """
    @property
    def verification_method(self, /) -> str:
        """
        How.
        """
    @property
    def verified_at(self, /) -> datetime | None:
        """
        When; the engine's clock says so.
        """
    @property
    def verified_by(self, /) -> str:
        """
        Who verified.
        """

@final
class KeyFile:
    """
    A root key read from a file that only its owner can read (mode 0600). The file is read once.
    """
    def __new__(cls, /, path: str | PathLike[str]) -> KeyFile: ...
    def __reduce__(self, /) -> "str": ...
    def __repr__(self, /) -> str: ...

@final
class Order(OrderSummary):
    """
    An order as one actor may see it. `disclosed` names the fields that are shown here, with or without a value;
    `withheld` those that the actor's roles may not see. Every other field is None.

    `repr`, `str`, a notebook and `pickle` show no PHI: what is unpickled discloses nothing. Attributes are plain
    text and not wiped from memory, so do not keep an order longer than you need it.
    """
    def __copy__(self, /) -> Order:
        """
        The same order: it cannot change, and by way of `pickle` a copy would have lost its PHI without a word.
        """
    def __deepcopy__(self, /, _memo: Any) -> Order: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self, /) -> int: ...
    def __new__(cls, /, *, id: str, territory_id: str, patient_id: str, provider_id: str, status: str, version: SupportsIndex, created_at: datetime, updated_at: datetime) -> Order:
        """
        An order that discloses nothing but its plain columns.
        """
    def __repr__(self, /) -> str: ...
    def _repr_html_(self, /) -> str: ...
    @property
    def diagnosis_codes(self, /) -> list[str] | None:
        """
        PHI: why.
        """
    @property
    def disclosed(self, /) -> list[str]:
        """
        The fields shown here.
        """
    @property
    def insurance(self, /) -> Insurance | None:
        """
        PHI: who pays.
        """
    @property
    def insurance_verification(self, /) -> InsuranceVerification | None:
        """
        PHI: what the payer said.
        """
    @property
    def notes(self, /) -> str | None:
        """
        PHI: all notes so far; empty if they are disclosed and there are none.
        """
    @property
    def service_type(self, /) -> str | None:
        """
        PHI: what is ordered.
        """
    def to_dict(self, /) -> "dict[str, Any]":
        """
        The same as the wire's JSON has it, PHI included; a field that is not disclosed is not there.
        """
    @property
    def withheld(self, /) -> list[str]:
        """
        The fields asked for that the actor may not see.
        """

@final
class OrderEvent:
    """
    What a subscriber receives for a change that is durable. Holds no PHI.
    """
    def __eq__(self, value: object, /) -> bool: ...
    def __getnewargs_ex__(self, /) -> "tuple[tuple[()], dict[str, Any]]": ...
    def __hash__(self, /) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, /, *, type: str, order_id: str, territory_id: str, old_status: str | None, new_status: str, timestamp: datetime, user_id: str, reason: str | None, version: SupportsIndex, cursor: str) -> OrderEvent: ...
    def __repr__(self, /) -> str: ...
    @property
    def cursor(self, /) -> str:
        """
        Where to resume after this event.
        """
    @property
    def new_status(self, /) -> str:
        """
        The status after; of a deleted order its last.
        """
    @property
    def old_status(self, /) -> str | None:
        """
        The status before; None on create.
        """
    @property
    def order_id(self, /) -> str:
        """
        Which order.
        """
    @property
    def reason(self, /) -> str | None:
        """
        Why, if a reason was given.
        """
    @property
    def territory_id(self, /) -> str:
        """
        Where it lives.
        """
    @property
    def timestamp(self, /) -> datetime:
        """
        When.
        """
    def to_dict(self, /) -> "dict[str, Any]":
        """
        The same as the wire's JSON has it: user and reason stand in `context`.
        """
    @property
    def type(self, /) -> str:
        """
        `ORDER_STATUS_CHANGED` or `ORDER_DELETED`.
        """
    @property
    def user_id(self, /) -> str:
        """
        Who did it.
        """
    @property
    def version(self, /) -> int:
        """
        The version the change made.
        """

@disjoint_base
class OrderSummary:
    """
    The plain columns of an order: the answer of a change.

    An aware datetime tells when it was created and when it changed last.
    """
    def __eq__(self, value: object, /) -> bool: ...
    def __getnewargs_ex__(self, /) -> "tuple[tuple[()], dict[str, Any]]": ...
    def __hash__(self, /) -> int: ...
    def __ne__(self, value: object, /) -> bool: ...
    def __new__(cls, /, *, id: str, territory_id: str, patient_id: str, provider_id: str, status: str, version: SupportsIndex, created_at: datetime, updated_at: datetime) -> OrderSummary: ...
    def __repr__(self, /) -> str: ...
    def _repr_html_(self, /) -> str: ...
    @property
    def created_at(self, /) -> datetime:
        """
        When it was created.
        """
    @property
    def id(self, /) -> str:
        """
        The order: a UUID of version 7.
        """
    @property
    def patient_id(self, /) -> str:
        """
        For whom.
        """
    @property
    def provider_id(self, /) -> str:
        """
        By whom.
        """
    @property
    def status(self, /) -> str:
        """
        Where it stands: a word of `OrderStatus`.
        """
    @property
    def territory_id(self, /) -> str:
        """
        Where it lives.
        """
    def to_dict(self, /) -> "dict[str, Any]":
        """
        The same as the wire's JSON has it: times are RFC 3339 text.
        """
    @property
    def updated_at(self, /) -> datetime:
        """
        When it changed last.
        """
    @property
    def version(self, /) -> int:
        """
        From 1, one more with every change.
        """

@final
class Pending:
    """
    A call that has not begun.
    """
    def steps(self, /) -> tuple[int, int] | None:
        """
        How far the call is as (done, total), if that has changed since it was asked last.
        """
    def wait(self, /, progress: Any | None = None) -> "Any":
        """
        Makes the call and waits for its answer, without the GIL. `progress` hears how far the call is, on this thread.
        """

@final
class Service:
    """
    An open database.
    """
    def admin(self, /, actor: Any) -> Admin: ...
    def checkpoint_public_key(self, /) -> Pending: ...
    def close(self, /, timeout: SupportsFloat | SupportsIndex | None = None) -> Pending:
        """
        Closes, waiting at most `timeout` seconds; what goes on after that goes on in the background.
        """
    def generation(self, /) -> Pending: ...
    def session(self, /, actor: Any, territory: str) -> Session: ...

@final
class Session:
    """
    What one actor may do in one territory.
    """
    def call(self, /, name: str, arguments: Any) -> Pending:
        """
        The call `name` of the engine's table with its arguments.
        """
    def export_audit(self, /) -> Pending: ...
    def revoke(self, /) -> None:
        """
        Has no IO, so that it cannot be forgotten to be awaited.
        """
    def subscribe(self, /, order_id: str | None, since: str | None) -> Pending: ...

@final
class Subscription:
    """
    Events of one order or of a whole territory.
    """
    def close(self, /) -> None:
        """
        Ends the subscription, and whoever waits for its next event.
        """
    def cursor(self, /) -> str:
        """
        Where to resume: everything up to here was given out.
        """
    def next(self, /, timeout: SupportsFloat | SupportsIndex | None = None) -> Pending:
        """
        The next event, or None if none came within `timeout` seconds.
        """
    def put_back(self, /) -> None:
        """
        Takes the last event back: it did not reach its reader.
        """

def audit_stream(records: "list[AuditRecord]") -> "object":
    """
    The entries of a page of the audit as a stream.
    """

def check_process() -> None:
    """
    Raises CLOSED in the child of a fork, where asyncio would say that there is no loop.
    """

def error_table() -> list[tuple[str, int, str, bool, int]]:
    """
    The table of codes as (name, number, kind, retryable, http_status), in the order of the numbers.
    """

def flush_log() -> None:
    """
    Hands on what waits to `logging`; every call does so by itself.
    """

def generate_key_file(path: str | PathLike[str]) -> None:
    """
    Makes a new root key file, mode 0600. Whoever loses this file loses the data.

    Refuses to overwrite a file that is there.
    """

def open(url: str | PathLike[str], keys: Any, directory: Any | None, anchor: Any | None, options: Any, inline: bool) -> Pending:
    """
    Opens a service; `inline` says that its callers block their threads.
    """

def orders_stream(orders: "list[Order]") -> "object":
    """
    The orders of a page as a stream.
    """

def shut_down() -> None:
    """
    Ends the runtime of this process, waiting at most two seconds for what holds its threads. For `atexit`.
    """
