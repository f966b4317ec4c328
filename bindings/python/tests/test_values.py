"""What comes out: frozen, in the wire's shape, pickled without PHI; handles are not pickled at all."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle
from typing import Any

import pytest

import medorder

SUMMARY = ["id", "territory_id", "patient_id", "provider_id", "status", "version", "created_at", "updated_at"]


@pytest.fixture
def order(order_session: medorder.Session, new: dict[str, Any]) -> medorder.OrderSummary:
    new |= {"notes": "first", "insurance": {"carrier": "Prairie", "policy_number": "POL-1"}}
    return order_session.create_order(**new)


def test_shapes_are_the_wires(order_session: medorder.Session, order: medorder.OrderSummary) -> None:
    assert list(order.to_dict()) == SUMMARY
    assert order.to_dict()["created_at"] == order.created_at.isoformat(timespec="microseconds")[:-6] + "Z"
    seen = order_session.order(order.id)
    assert seen.to_dict() == {
        **order.to_dict(),
        "service_type": "MRI brain",
        "diagnosis_codes": ["G43.9"],
        "notes": "first",
        "insurance": {"carrier": "Prairie", "policy_number": "POL-1"},
        "insurance_verification": None,
        "disclosed": list(seen.disclosed),
        "withheld": [],
    }
    event = order_session.subscribe(since="").next(timeout=5)
    assert event is not None
    members = ["type", "order_id", "territory_id", "old_status", "new_status", "timestamp", "context"]
    assert list(event.to_dict()) == [*members, "version", "cursor"]
    assert event.to_dict()["context"] == {"user_id": "u-test"}
    record = order_session.audit({"order_id": order.id}).records[0]
    assert record.to_dict()["details"] == {"new_status": "pending_verification"}
    for value in (order, seen, event, record, order_session.orders(), order_session.audit()):
        assert json.loads(json.dumps(value.to_dict())) == value.to_dict()


def test_values_are_frozen_and_compare_by_content(
    order_session: medorder.Session, order: medorder.OrderSummary
) -> None:
    with pytest.raises(AttributeError):
        order.status = "completed"  # type: ignore[misc]
    one, other = order_session.order(order.id), order_session.order(order.id)
    assert one == other and hash(one) == hash(other) and one is not other
    assert one != order_session.order(order.id, fields=[])
    assert one.insurance == other.insurance
    assert isinstance(one, medorder.OrderSummary)


def test_an_order_pickles_without_its_phi(order_session: medorder.Session, order: medorder.OrderSummary) -> None:
    seen = order_session.order(order.id)
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        data = pickle.dumps(seen, protocol)
        assert not any(canary in data for canary in (b"MRI", b"G43.9", b"first", b"Prairie", b"POL-1"))
        masked = pickle.loads(data)
        assert type(masked) is medorder.Order
        assert masked.to_dict() == {**order.to_dict(), "disclosed": [], "withheld": []}
        assert (masked.service_type, masked.notes, masked.insurance, masked.diagnosis_codes) == (None,) * 4
    for phi in (seen.insurance,):
        with pytest.raises(TypeError, match="PHI"):
            pickle.dumps(phi)


def test_a_copy_of_an_order_is_the_order(order_session: medorder.Session, order: medorder.OrderSummary) -> None:
    """It cannot change, and a copy by way of `pickle` would have lost its PHI."""
    seen = order_session.order(order.id)
    assert copy.copy(seen) is seen and copy.deepcopy([seen])[0] is seen
    assert dataclasses.asdict(order_session.orders())["orders"] == [seen]


def test_the_rest_pickles_in_full(order_session: medorder.Session, order: medorder.OrderSummary) -> None:
    event = order_session.subscribe(since="").next(timeout=5)
    report = order_session.verify_audit()
    results = order_session.create_orders([{"patient_id": ""}], mode="each")  # type: ignore[typeddict-item]
    for value in (order, event, order_session.audit(), report, order_session.allowed_transitions(order.id)):
        assert pickle.loads(pickle.dumps(value)) == value
        assert copy.copy(value) == value == copy.deepcopy(value)
    error = results[0].error
    assert error is not None
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is medorder.ValidationError
    assert (again.code, again.details, str(again)) == (error.code, error.details, str(error))
    assert order_session.audit().records[0] == copy.copy(order_session.audit().records[0])


def test_handles_and_keys_are_not_pickled(
    order_service: medorder.OrderService, order_session: medorder.Session, folder: Any
) -> None:
    admin = order_service.admin({"user_id": "u", "roles": [], "territories": "*", "purpose": "legal"})
    keys = medorder.CallbackKeys(lambda key, context: key, lambda blob, context: blob)
    handles = [order_service, order_session, admin, order_session.subscribe(), order_session.export_audit()]
    for handle in [*handles, medorder.KeyFile(folder / "root.key"), keys]:
        with pytest.raises(TypeError, match="cannot be pickled"):
            pickle.dumps(handle)


def test_the_table_of_errors_is_the_engines() -> None:
    rows = [tuple(row) for row in medorder.ERROR_TABLE.values()]
    assert len(rows) == 20
    assert rows[0] == ("VALIDATION_ERROR", 1001, "invalid", False, 400)
    assert [name for name, row in medorder.ERROR_TABLE.items() if row.retryable] == [
        "STORAGE_UNAVAILABLE",
        "KEY_UNAVAILABLE",
    ]


@pytest.mark.parametrize(
    ("code", "kind", "builtin"),
    [
        ("VALIDATION_ERROR", medorder.ValidationError, ValueError),
        ("INVALID_STATUS_TRANSITION", medorder.TransitionError, ValueError),
        ("INVALID_CURSOR", medorder.InvalidError, ValueError),
        ("ACCESS_DENIED", medorder.DeniedError, PermissionError),
        ("ORDER_NOT_FOUND", medorder.NotFoundError, LookupError),
        ("VERSION_CONFLICT", medorder.ConflictError, Exception),
        ("KEY_UNAVAILABLE", medorder.UnavailableError, Exception),
        ("OUTCOME_UNKNOWN", medorder.OutcomeUnknownError, medorder.UnavailableError),
        ("KEY_MISMATCH", medorder.DataError, Exception),
        ("CLOSED", medorder.ClosedError, RuntimeError),
        ("INTERNAL", medorder.InternalError, RuntimeError),
    ],
)
def test_a_code_has_its_class(code: str, kind: type, builtin: type) -> None:
    from medorder._errors import of

    error = of(code, "what happened", '{"order_id": "x"}')
    row = medorder.ERROR_TABLE[code]
    assert type(error) is kind and isinstance(error, builtin) and isinstance(error, medorder.MedorderError)
    assert (error.code, error.number, error.kind, error.retryable) == (code, row.number, row.kind, row.retryable)
    assert (error.message, error.details, str(error)) == ("what happened", {"order_id": "x"}, f"{code}: what happened")


def test_a_refused_step_says_what_would_be_allowed(
    order_session: medorder.Session, order: medorder.OrderSummary
) -> None:
    with pytest.raises(medorder.TransitionError) as caught:
        order_session.update_status(order.id, status="completed")
    assert caught.value.details == {
        "order_id": order.id,
        "current_status": "pending_verification",
        "requested_status": "completed",
        "allowed": ["verified", "rejected"],
        "why": "state",
    }
    with pytest.raises(medorder.ConflictError) as conflict:
        order_session.update_status(order.id, status="rejected", reason="x", expected_version=7)
    assert conflict.value.details["current_version"] == 1


def test_a_wrong_key_and_a_closed_service_say_so(order_session: medorder.Session, opened: Any, folder: Any) -> None:
    with opened() as service:
        pass
    with pytest.raises(medorder.ClosedError):
        service.admin({"user_id": "u", "roles": [], "territories": "*", "purpose": "legal"}).territories()
    service.close()
    medorder.generate_key_file(folder / "other.key")
    with pytest.raises(medorder.DataError) as caught:
        medorder.OrderService.open(folder / "orders.db", medorder.KeyFile(folder / "other.key"))
    assert caught.value.code == "KEY_MISMATCH"
    with pytest.raises(medorder.ValidationError, match="duplicate"):
        medorder.generate_key_file(folder / "root.key")
    (folder / "root.key").chmod(0o644)
    with pytest.raises(medorder.ValidationError, match="mode"):
        medorder.KeyFile(folder / "root.key")


def test_a_service_that_is_left_open_is_told_of(opened: Any) -> None:
    service = opened()
    with pytest.warns(ResourceWarning, match="unclosed"):
        del service
    with pytest.raises(TypeError, match="OrderService.open"):
        medorder.OrderService("orders.db")  # type: ignore[arg-type]
