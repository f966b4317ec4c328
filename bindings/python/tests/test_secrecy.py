"""Values planted in every PHI field, and in ids of people, turn up nowhere that people look."""

from __future__ import annotations

import logging
import pickle
import traceback
from typing import Any

import pytest

import medorder

PHI: Any = {
    "service_type": "canary<service>",
    "diagnosis_codes": ["canary-code"],
    "notes": "canary-notes & more",
    "insurance": {"carrier": "canary-carrier", "policy_number": "canary-policy", "group_number": "canary-group"},
}
VERIFICATION: medorder.VerificationData = {
    "verified_by": "canary-verifier",
    "verification_method": "canary-method",
    "coverage_details": {"canary-plan": "canary-cover"},
    "authorization_number": "canary-auth",
}


@pytest.fixture
def order(order_service: Any, order_session: medorder.Session, order_actor: Any) -> medorder.Order:
    order_service.admin(order_actor).register_relationship("north", "canary-patient", "canary-provider")
    order = order_session.create_order(patient_id="canary-patient", provider_id="canary-provider", **PHI)
    order_session.update_status(order.id, status="verified", verification_data=VERIFICATION)
    return order_session.order(order.id)


def clean(text: str) -> None:
    assert text
    assert "canary" not in text, text


def test_texts_of_values_hold_no_phi(order_session: medorder.Session, order: medorder.Order) -> None:
    assert order.to_dict()["insurance_verification"]["coverage_details"] == {"canary-plan": "canary-cover"}
    page = order_session.orders()
    values: list[Any] = [order, page, page.orders, order.insurance, order.insurance_verification]
    values += [order_session.audit({"order_id": order.id}), order_session.create_orders([], mode="each") or page]
    values += [order_session.relationships(), order_session.subscribe(since="").next(timeout=5)]
    for value in values:
        for text in (repr(value), str(value), f"{value}", pickle_text(value)):
            clean(text)
        if hasattr(value, "_repr_html_"):
            clean(value._repr_html_())
    assert "<service>" not in order._repr_html_() and "&lt;phi&gt;" in order._repr_html_()


def pickle_text(value: object) -> str:
    try:
        data = pickle.dumps(value)
    except TypeError as error:
        return str(error)
    if b"Relationship" in data:
        # Who may order for whom is no PHI field; the pair is a value of its own and pickles.
        return "a pair"
    # Ids of people are plain columns and stay, as the wire shows them.
    return data.replace(b"canary-patient", b"").replace(b"canary-provider", b"").decode("latin1")


def test_a_notebook_escapes_what_it_shows(order_session: medorder.Session, order: medorder.Order) -> None:
    order_session.update_status(order.id, status="in_progress", reason="<script>alert(1)</script>")
    for page in (order_session.audit(), order_session.orders()):
        html = page._repr_html_()
        assert "<script>" not in html and html.startswith("<table>")


def test_errors_and_logs_hold_no_phi(
    order_session: medorder.Session, order_service: Any, caplog: pytest.LogCaptureFixture, order_actor: Any
) -> None:
    caplog.set_level(logging.DEBUG, "medorder")
    wrong: list[dict[str, Any]] = [
        {"patient_id": "canary-1", "provider_id": "canary-2", **PHI},
        {"patient_id": "canary\ud800", "provider_id": {"canary"}, "service_type": "canary\x00", "canary-name": 1},
        {"canary name": "canary"},
    ]
    for request in wrong:
        with pytest.raises(medorder.MedorderError) as caught:
            order_session.create_order(**request)
        error = caught.value
        clean("".join(traceback.format_exception_only(error)) + repr(error) + repr(error.details))
        clean(pickle.dumps(error).decode("latin1"))
    auditor = order_service.session({**order_actor, "roles": ["auditor"]}, "north")
    with pytest.raises(medorder.DeniedError):
        auditor.create_order(patient_id="canary-1", provider_id="canary-2", **PHI)
    assert caplog.records, "a denial is told to the log"
    clean(caplog.text)
