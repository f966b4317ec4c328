"""The handles for programs that block. Made from `_async.py` by `twin.py`: change that one."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Callable, Sequence
from types import TracebackType
from typing import Any, Self, Unpack, cast, overload

from . import _core, _exit
from ._core import EnvKey, ExportedPage, KeyFile, Order, OrderEvent, OrderSummary
from ._errors import ClosedError, of
from ._host import keys_of, opened_with
from ._wait import Reader, following, opening, run, running_loop
from ._types import (
    Actor,
    Anchor,
    AuditFilter,
    BatchMode,
    CreateOrderRequest,
    Directory,
    Keys,
    OpenOptions,
    OrderFilter,
    OrderStatusChange,
    PhiField,
    RelationshipFilter,
    StatusChange,
)
from ._views import (
    AuditPage,
    BatchResult,
    OrderPage,
    Relationship,
    RelationshipPage,
    RotationReport,
    TransitionOption,
    VerifyReport,
)


class OrderService:
    """An open database. Opened once, shared by every thread of the process.

    Not by another process: what a fork inherits answers `CLOSED`. Start workers with `spawn`, or open in each.
    """

    __slots__ = ("__weakref__", "_native", "_open")

    def __init__(self, native: _core.Service) -> None:
        """Not for programs: `open` makes it."""
        if not isinstance(native, _core.Service):
            raise TypeError("use OrderService.open(url, keys)")
        self._native = native
        self._open = True
        _exit.remember(native)

    @classmethod
    def open(
        cls,
        url: str | os.PathLike[str],
        keys: KeyFile | EnvKey | Keys,
        *,
        directory: Directory | None = None,
        anchor: Anchor | str | os.PathLike[str] | None = None,
        **options: Unpack[OpenOptions],
    ) -> OrderService:
        """Opens the database at `url`: `sqlite://PATH` or a bare path, made if it is missing, or
        `postgres://ROLE@HOST/DATABASE`.

        `directory` answers who may order for whom instead of the registry in the database. `anchor` keeps signed
        checkpoints outside it: the path of a file, or an object. `options`: see `OpenOptions`.

        Raises `UnavailableError`, and `DataError`: `SCHEMA_UNSUPPORTED` if it is another database, `KEY_MISMATCH` if
        the key is another one.

        >>> with OrderService.open(folder / "orders.db", KeyFile(folder / "root.key")) as service:
        ...     admin = service.admin(root)
        ...     admin.register_territory("north")
        """
        pending = opened_with(url, keys, directory, anchor, options, running_loop())
        return opening(cls._opened(pending))

    @classmethod
    def _opened(cls, pending: _core.Pending) -> OrderService:
        return cls(run(pending))

    def session(self, actor: Actor, territory: str) -> Session:
        """What `actor` may do in `territory`. No IO: the first call checks and audits.

        >>> nurse = {"user_id": "u-7", "roles": ["requester"], "territories": ["north"], "purpose": "treatment"}
        >>> service.session(nurse, "north")
        <Session of u-7 in north>
        """
        return Session(self._native.session(actor, territory), actor["user_id"], territory)

    def admin(self, actor: Actor) -> Admin:
        """Administrative acts of `actor`."""
        return Admin(self._native.admin(actor))

    def generation(self) -> str:
        """The random identity of the database; a restore renews it."""
        return cast(str, run(self._native.generation()))

    def checkpoint_public_key(self) -> bytes:
        """What checkpoints are checked with: 32 bytes to be kept outside the database."""
        return cast(bytes, run(self._native.checkpoint_public_key()))

    def close(self) -> None:
        """Refuses new calls, commits what was accepted, signs a last checkpoint if there is an anchor, and lets go of
        the database. A second close does nothing."""
        self._open = False
        run(self._native.close())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_open", False) and not _exit.over():
            warnings.warn(f"unclosed {self!r}", ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        return f"<OrderService {'open' if self._open else 'closed'}>"

    def __reduce__(self) -> str:
        raise TypeError("an OrderService cannot be pickled; open the database in the other process")


class Session:
    """What one actor may do in one territory; every call checks, and leaves its entry in the audit.

    Every call may raise `DeniedError`, `NotFoundError`, `UnavailableError`, `DataError` and `ClosedError`, and
    `ValidationError` with every fault of its arguments.
    """

    __slots__ = ("_name", "_native")

    def __init__(self, native: _core.Session, user_id: str, territory: str) -> None:
        """Not for programs: `OrderService.session` makes it."""
        self._native = native
        self._name = f"{user_id} in {territory}"

    @overload
    def create_order(self, request: CreateOrderRequest, /) -> OrderSummary: ...
    @overload
    def create_order(self, request: None = None, /, **members: Unpack[CreateOrderRequest]) -> OrderSummary: ...
    def create_order(self, request: Any = None, /, **members: Any) -> OrderSummary:
        """Creates an order, pending verification, and answers its plain columns.

        Give a dict or keywords: `patient_id`, `provider_id`, `service_type`, `diagnosis_codes`, and if you like
        `notes`, `insurance` and `idempotency_key`; see `CreateOrderRequest`. With an idempotency key the same request
        again answers the order as it is now and changes nothing.

        Raises `InvalidError`: `PATIENT_PROVIDER_MISMATCH`, `IDEMPOTENCY_MISMATCH`; `OutcomeUnknownError`.

        >>> order = session.create_order(
        ...     patient_id="p-1", provider_id="npi-1", service_type="MRI brain", diagnosis_codes=["G43.9"]
        ... )
        >>> order.status, order.version
        ('pending_verification', 1)
        >>> session.create_order(patient_id="p-1", service_type="", diagnosis_codes="G43.9")
        Traceback (most recent call last):
        medorder.ValidationError: VALIDATION_ERROR: the request is invalid: provider_id required; ...
        """
        return cast(OrderSummary, run(self._native.call("create_order", _request(request, members))))

    def create_orders(
        self, requests: Sequence[CreateOrderRequest], *, mode: BatchMode
    ) -> list[BatchResult]:
        """Creates at most 10,000 orders. `atomic`: all or none; `each`: every one for itself.

        >>> new = {"patient_id": "p-1", "provider_id": "npi-1", "service_type": "X-ray", "diagnosis_codes": []}
        >>> [result.status for result in session.create_orders([new, {**new, "notes": 7}], mode="each")]
        ['success', 'error']
        """
        arguments = {"requests": requests, "mode": mode}
        return [BatchResult.of(item) for item in run(self._native.call("create_orders", arguments))]

    @overload
    def update_status(self, order_id: str, change: StatusChange, /) -> OrderSummary: ...
    @overload
    def update_status(
        self, order_id: str, change: None = None, /, **members: Unpack[StatusChange]
    ) -> OrderSummary: ...
    def update_status(self, order_id: str, change: Any = None, /, **members: Any) -> OrderSummary:
        """Moves an order along the workflow and answers its plain columns.

        Give a dict or keywords: `status`, and what the step needs of `notes`, `reason`, `verification_data`,
        `expected_version` and `idempotency_key`; see `StatusChange`. Without `expected_version` a change that meets
        another one is validated anew against the newer order.

        Raises `TransitionError` (`details["why"]`, `details["allowed"]`), `ConflictError`, `OutcomeUnknownError`.

        >>> data = {"verified_by": "u-7", "verification_method": "phone"}
        >>> (session.update_status(order.id, status="verified", verification_data=data)).status
        'verified'
        """
        request = _request(change, members)
        if "order_id" in request:
            raise of("VALIDATION_ERROR", "the request is invalid: order_id unknown", _OTHER_ORDER)
        arguments = {**request, "order_id": order_id}
        return cast(OrderSummary, run(self._native.call("update_status", arguments)))

    def update_statuses(
        self, changes: Sequence[OrderStatusChange], *, mode: BatchMode
    ) -> list[BatchResult]:
        """Changes at most 10,000 orders: dicts of `update_status` with their `order_id`."""
        arguments = {"changes": changes, "mode": mode}
        return [BatchResult.of(item) for item in run(self._native.call("update_statuses", arguments))]

    def delete_order(
        self, order_id: str, *, reason: str, expected_version: int | None = None
    ) -> OrderSummary:
        """Deletes an order for good: its key and its ciphertext go, its audit stays. `reason` is not PHI."""
        arguments = {"order_id": order_id, "reason": reason, "expected_version": expected_version}
        return cast(OrderSummary, run(self._native.call("delete_order", arguments)))

    def order(self, order_id: str, *, fields: Sequence[PhiField] | None = None) -> Order:
        """An order with the PHI that the actor may see, or with those `fields` alone; `[]` decrypts nothing.

        The view is in the audit before this returns.

        >>> seen = session.order(order.id, fields=["service_type"])
        >>> seen.service_type, seen.notes, seen.disclosed
        ('MRI brain', None, ['service_type'])
        >>> print(seen)
        Order(id='...', territory_id='north', status='pending_verification', version=1, service_type=<phi>)
        """
        return cast(Order, run(self._native.call("order", {"order_id": order_id, "fields": fields})))

    def order_by_key(self, idempotency_key: str) -> OrderSummary:
        """The order that was created under your own key."""
        return cast(
            OrderSummary, run(self._native.call("order_by_key", {"idempotency_key": idempotency_key}))
        )

    def orders(
        self,
        filter: OrderFilter | None = None,
        *,
        cursor: str | None = None,
        limit: int = 50,
        fields: Sequence[PhiField] | None = None,
    ) -> OrderPage:
        """A page of orders, newest first, at most `limit` (1 to 500). Each disclosed order is a view in the audit.

        >>> page = session.orders({"status": ["pending_verification"]}, limit=10, fields=[])
        >>> len(page), page.next_cursor
        (1, None)
        """
        arguments = {"filter": filter, "cursor": cursor, "limit": limit, "fields": fields}
        return OrderPage(*run(self._native.call("orders", arguments)))

    def allowed_transitions(self, order_id: str) -> list[TransitionOption]:
        """Every status, whether the actor may move the order there now, why not, and what it would need.

        >>> [option.status for option in session.allowed_transitions(order.id) if option.allowed]
        ['verified', 'rejected']
        """
        options = run(self._native.call("allowed_transitions", {"order_id": order_id}))
        return [TransitionOption(**option) for option in options]

    def relationships(
        self, filter: RelationshipFilter | None = None, *, after: Relationship | None = None, limit: int = 50
    ) -> RelationshipPage:
        """Who may order for whom, by the registry in the database."""
        last = None if after is None else after.to_dict()
        arguments = {"filter": filter, "after": last, "limit": limit}
        return RelationshipPage.of(run(self._native.call("relationships", arguments)))

    def audit(
        self, filter: AuditFilter | None = None, *, after: int = 0, limit: int = 50
    ) -> AuditPage:
        """Entries of the territory's chain after position `after`, at most `limit` (1 to 500).

        >>> [record.action for record in session.audit({"order_id": order.id})]
        ['create']
        """
        arguments = {"filter": filter, "after": after, "limit": limit}
        return AuditPage(*run(self._native.call("audit", arguments)))

    def disclosures(self, patient_id: str, *, after: int = 0, limit: int = 50) -> AuditPage:
        """Who saw what of a patient's orders, when and why. Deleted orders count too."""
        arguments = {"patient_id": patient_id, "after": after, "limit": limit}
        return AuditPage(*run(self._native.call("disclosures", arguments)))

    def verify_audit(self, checkpoint: str | None = None) -> VerifyReport:
        """Recomputes the territory's chain and its orders. What is wrong is no exception but the report.

        >>> (session.verify_audit()).verdict
        'intact'
        """
        return VerifyReport.of(run(self._native.call("verify_audit", {"checkpoint": checkpoint})))

    def export_audit(self) -> AuditExport:
        """Every column of every entry of the territory's chain, for an archive or a checker of your own.

        >>> pages = [page for page in session.export_audit()]
        >>> pages[0].to_dicts()[0]["action"]
        'register'
        """
        return AuditExport(run(self._native.export_audit()))

    def subscribe(self, *, order_id: str | None = None, since: str | None = None) -> Subscription:
        """Follows the changes of one order, or of all. `since`: None from now, `""` from the start, or a cursor.

        Raises `InvalidError`: `INVALID_CURSOR` if the cursor is of another database or time line: start over from a
        list page.

        >>> with session.subscribe(since="") as events:
        ...     event = events.next(timeout=5)
        >>> event.new_status, event.version
        ('pending_verification', 1)
        """
        return following(self._followed(order_id, since))

    def _followed(self, order_id: str | None, since: str | None) -> Subscription:
        return Subscription(run(self._native.subscribe(order_id, since)))

    def revoke(self) -> None:
        """Ends the session and its subscriptions: every later call is `ACCESS_DENIED`. Has no IO in either twin."""
        self._native.revoke()

    def __repr__(self) -> str:
        return f"<Session of {self._name}>"

    def __reduce__(self) -> str:
        raise TypeError("a Session cannot be pickled; open the database in the other process")


class Admin:
    """What an administrator does. Acts on one territory need it; acts on the whole database need every territory."""

    __slots__ = ("_native",)

    def __init__(self, native: _core.Admin) -> None:
        """Not for programs: `OrderService.admin` makes it."""
        self._native = native

    def register_territory(self, territory_id: str) -> None:
        """Makes a territory's keys and its audit chain, and takes it into use."""
        run(self._native.call("register_territory", {"territory_id": territory_id}))

    def unregister_territory(self, territory_id: str) -> None:
        """Takes a territory out of use; its audit stays."""
        run(self._native.call("unregister_territory", {"territory_id": territory_id}))

    def register_relationship(self, territory_id: str, patient_id: str, provider_id: str) -> None:
        """Lets a provider order for a patient in a territory."""
        pair = {"territory_id": territory_id, "patient_id": patient_id, "provider_id": provider_id}
        run(self._native.call("register_relationship", pair))

    def unregister_relationship(self, territory_id: str, patient_id: str, provider_id: str) -> None:
        """The opposite, for new orders."""
        pair = {"territory_id": territory_id, "patient_id": patient_id, "provider_id": provider_id}
        run(self._native.call("unregister_relationship", pair))

    def territories(self) -> list[str]:
        """The names of the territories in use."""
        return cast("list[str]", run(self._native.call("territories", {})))

    def rotate_keys(
        self, territory_id: str, *, progress: Callable[[int, int], object] | None = None
    ) -> RotationReport:
        """Gives a territory a new key while readers and writers go on. After a kill the next call finishes it.

        `progress(done, total)` is called on this thread, at most every 50 ms and once at the end. With tqdm:

            with tqdm(unit="orders") as bar:
                def show(done: int, total: int) -> None:
                    bar.total = total
                    bar.update(done - bar.n)
                admin.rotate_keys("north", progress=show)
        """
        call = self._native.call("rotate_keys", {"territory_id": territory_id})
        return RotationReport(**run(call, progress))

    def change_root(
        self, keys: KeyFile | EnvKey | Keys, *, progress: Callable[[int, int], object] | None = None
    ) -> None:
        """Wraps every key row under another root key, in one transaction."""
        provider = keys_of(keys, running_loop())
        run(self._native.change_root(provider), progress)

    def checkpoint(self) -> list[str]:
        """Signs the head of every chain that has moved, hands the notes to the anchor and returns them."""
        return cast("list[str]", run(self._native.call("checkpoint", {})))

    def audit(
        self, filter: AuditFilter | None = None, *, after: int = 0, limit: int = 50
    ) -> AuditPage:
        """Entries of the system chain: acts on the whole database, and denials of actors without the territory."""
        arguments = {"filter": filter, "after": after, "limit": limit}
        return AuditPage.of(run(self._native.call("audit", arguments)))

    def verify_audit(self) -> VerifyReport:
        """Recomputes every chain and every order."""
        return VerifyReport.of(run(self._native.call("verify_audit", {})))

    def backup(self, path: str | os.PathLike[str]) -> None:
        """Copies the database to a new file while it is in use: the only supported copy of an open database."""
        run(self._native.call("backup", {"path": os.fspath(path)}))

    def restore(self) -> list[str]:
        """Takes a restored database into use: a new generation, and fresh checkpoints, which it returns."""
        return cast("list[str]", run(self._native.call("restore", {})))

    def __repr__(self) -> str:
        return "<Admin>"

    def __reduce__(self) -> str:
        raise TypeError("an Admin cannot be pickled; open the database in the other process")


class Subscription(Reader):
    """Events of one order or of a whole territory, in the order of the log. For one reader at a time.

    Nothing is lost and nothing comes twice; a reader that resumes from a cursor may see an event again and tells by
    the cursor.
    """

    def __init__(self, native: _core.Subscription) -> None:
        """Not for programs: `Session.subscribe` makes it."""
        self._native = native
        self._closed = False

    def next(self, timeout: float | None = None) -> OrderEvent | None:
        """The next event, or None if none came within `timeout` seconds."""
        return cast("OrderEvent | None", self._take(timeout))

    @property
    def cursor(self) -> str:
        """Where to resume: everything up to here was given out."""
        return self._native.cursor()

    def close(self) -> None:
        """Ends the subscription, and whoever waits for its next event. May be called from any thread."""
        self._closed = True
        self._native.close()

    def __iter__(self) -> Iterator[OrderEvent]:
        return self

    def __next__(self) -> OrderEvent:
        try:
            return cast(OrderEvent, self._take(None))
        except ClosedError:
            # At exit services are closed behind their readers.
            if self._closed or _exit.over():
                raise StopIteration from None
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Subscription {'closed' if self._closed else 'open'}>"

    def __reduce__(self) -> str:
        raise TypeError("a Subscription cannot be pickled; resume from its cursor in the other process")


class AuditExport:
    """The audit of a territory as it was when the export began, page by page: iterate over it."""

    __slots__ = ("_native",)

    def __init__(self, native: _core.Export) -> None:
        """Not for programs: `Session.export_audit` makes it."""
        self._native = native

    @property
    def total(self) -> int:
        """How many entries the export has in all."""
        return self._native.total

    def next_page(self) -> ExportedPage:
        """The next entries, at most 1,000; none at the end."""
        return cast(ExportedPage, run(self._native.next_page()))

    def __iter__(self) -> Iterator[ExportedPage]:
        return self

    def __next__(self) -> ExportedPage:
        page = self.next_page()
        if not page:
            raise StopIteration
        return page

    def __repr__(self) -> str:
        return f"<AuditExport of {self.total} entries>"

    def __reduce__(self) -> str:
        raise TypeError("an AuditExport cannot be pickled; export again in the other process")


# A change is of the order that is named beside it; in it no other can be.
_OTHER_ORDER = '{"errors":[{"path":"order_id","rule":"unknown"}]}'


def _request(request: Any, members: dict[str, Any]) -> Any:
    """One request from a dict, from keywords, or from both."""
    if request is None:
        return members
    return {**request, **members} if members else request
