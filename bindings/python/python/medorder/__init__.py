"""A medical order engine: PHI encrypted field by field, every access audited, every change to whoever watches.

`OrderService` is for programs that block, `AsyncOrderService` for asyncio; they have the same methods.

>>> with OrderService.open(folder / "orders.db", KeyFile(folder / "root.key")) as service:
...     service.admin(root).register_territory("north")
"""

from typing import TYPE_CHECKING, Any

from . import _core as _core
from ._core import (
    AuditRecord,
    EnvKey,
    ExportedPage,
    Insurance,
    InsuranceVerification,
    KeyFile,
    Order,
    OrderEvent,
    OrderSummary,
    generate_key_file,
)
from ._errors import (
    ERROR_TABLE,
    ClosedError,
    ConflictError,
    DataError,
    DeniedError,
    ErrorCode,
    InternalError,
    InvalidError,
    KeyRefused,
    MedorderError,
    NotFoundError,
    OutcomeUnknownError,
    TransitionError,
    UnavailableError,
    ValidationError,
)
from ._host import CallbackKeys
from ._sync import Admin, AuditExport, OrderService, Session, Subscription
from ._types import (
    Actor,
    Anchor,
    AuditFilter,
    BatchMode,
    CreateOrderRequest,
    Directory,
    InsuranceData,
    InsuranceStatus,
    Keys,
    OpenOptions,
    OrderFilter,
    OrderStatus,
    OrderStatusChange,
    PhiField,
    Purpose,
    RelationshipFilter,
    StatusChange,
    VerificationData,
)
from ._views import (
    AuditPage,
    BadRecord,
    BatchResult,
    ChainReport,
    OrderPage,
    Relationship,
    RelationshipPage,
    RotationReport,
    TransitionOption,
    Verdict,
    VerifyReport,
)

if TYPE_CHECKING:
    from ._async import AsyncAdmin, AsyncAuditExport, AsyncOrderService, AsyncSession, AsyncSubscription

__version__: str = _core.VERSION

__all__ = [
    "ERROR_TABLE",
    "Actor",
    "Admin",
    "Anchor",
    "AsyncAdmin",
    "AsyncAuditExport",
    "AsyncOrderService",
    "AsyncSession",
    "AsyncSubscription",
    "AuditExport",
    "AuditFilter",
    "AuditPage",
    "AuditRecord",
    "BadRecord",
    "BatchMode",
    "BatchResult",
    "CallbackKeys",
    "ChainReport",
    "ClosedError",
    "ConflictError",
    "CreateOrderRequest",
    "DataError",
    "DeniedError",
    "Directory",
    "EnvKey",
    "ErrorCode",
    "ExportedPage",
    "Insurance",
    "InsuranceData",
    "InsuranceStatus",
    "InsuranceVerification",
    "InternalError",
    "InvalidError",
    "KeyFile",
    "KeyRefused",
    "Keys",
    "MedorderError",
    "NotFoundError",
    "OpenOptions",
    "Order",
    "OrderEvent",
    "OrderFilter",
    "OrderPage",
    "OrderService",
    "OrderStatus",
    "OrderStatusChange",
    "OrderSummary",
    "OutcomeUnknownError",
    "PhiField",
    "Purpose",
    "Relationship",
    "RelationshipFilter",
    "RelationshipPage",
    "RotationReport",
    "Session",
    "StatusChange",
    "Subscription",
    "TransitionError",
    "TransitionOption",
    "UnavailableError",
    "ValidationError",
    "Verdict",
    "VerificationData",
    "VerifyReport",
    "__version__",
    "generate_key_file",
]


def _publish(names: dict[str, Any]) -> None:
    """One place to import from, also for what shows in a traceback."""
    for name in __all__:
        if getattr(names.get(name), "__module__", "").startswith("medorder._"):
            names[name].__module__ = "medorder"


_publish(globals())

if not TYPE_CHECKING:
    # The async twin comes with asyncio, which takes longer to load than all the rest: only who asks for it waits.
    def __getattr__(name: str) -> Any:
        if name not in __all__:
            raise AttributeError(f"module 'medorder' has no attribute {name!r}")
        from . import _async

        globals().update((twin, getattr(_async, twin)) for twin in __all__ if twin.startswith("Async"))
        _publish(globals())
        return globals()[name]

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__})
