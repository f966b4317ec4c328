"""Lists and audits in the hands of pyarrow and polars, without an Arrow library of ours."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import polars
import pyarrow  # type: ignore[import-untyped]
import pytest

import medorder

VERIFICATION: medorder.VerificationData = {
    "verified_by": "u-7",
    "verification_method": "phone",
    "coverage_details": {"plan": "gold"},
    "valid_until": datetime(2031, 1, 2, tzinfo=UTC),
}


@pytest.fixture
def order(order_session: medorder.Session, new: dict[str, Any]) -> medorder.OrderSummary:
    order = order_session.create_order(**new, notes="calm", insurance={"carrier": "P", "policy_number": "1"})
    return order_session.update_status(order.id, status="verified", verification_data=VERIFICATION)


def test_a_list_is_a_table(order_session: medorder.Session, order: medorder.OrderSummary) -> None:
    page = order_session.orders()
    table = pyarrow.table(page)
    assert table.schema.field("created_at").type == pyarrow.timestamp("us", "UTC")
    row = table.to_pylist()[0]
    assert row["id"] == order.id and row["version"] == 2 and row["updated_at"] == order.updated_at
    assert (row["service_type"], row["diagnosis_codes"], row["notes"]) == ("MRI brain", ["G43.9"], "calm")
    assert row["insurance"] == {"carrier": "P", "policy_number": "1", "group_number": None}
    assert row["insurance_verification"]["coverage_details"] == '{"plan":"gold"}'
    assert row["insurance_verification"]["valid_until"] == VERIFICATION["valid_until"]
    frame = polars.DataFrame(page)
    assert frame["service_type"].to_list() == ["MRI brain"] and frame["created_at"][0] == order.created_at


def test_what_is_not_disclosed_is_null(order_session: medorder.Session, order: medorder.OrderSummary) -> None:
    row = pyarrow.table(order_session.orders(fields=["notes"])).to_pylist()[0]
    assert row["notes"] == "calm"
    hidden = ("service_type", "diagnosis_codes", "insurance", "insurance_verification")
    assert [row[name] for name in hidden] == [None] * 4
    assert pyarrow.table(order_session.orders({"patient_id": "nobody"})).num_rows == 0


def test_an_audit_is_a_table(order_session: medorder.Session, order: medorder.OrderSummary) -> None:
    page = order_session.audit()
    rows = pyarrow.table(page).to_pylist()
    assert [row["seq"] for row in rows] == [record.seq for record in page]
    assert rows[-1]["action"] == "update_status" and rows[-1]["old_status"] == "pending_verification"
    frame = polars.DataFrame(page)
    assert frame.filter(polars.col("action") == "create")["user_id"].to_list() == ["u-test"]


def test_an_export_is_a_table_with_what_its_hashes_cover(
    order_session: medorder.Session, order: medorder.OrderSummary
) -> None:
    export = order_session.export_audit()
    [page] = list(export)
    assert export.total == len(page) == 4 and len(export.next_page()) == 0
    table = pyarrow.table(page)
    assert table.to_pylist() == page.to_dicts()
    assert table["hash"][:-1] == table["prev_hash"][1:]
    # A capsule is taken once, and the next one is another.
    stream = page.__arrow_c_stream__()
    assert repr(stream).startswith('<capsule object "arrow_array_stream"')
    assert pyarrow.table(page) == table


def test_a_capsule_that_nobody_takes_is_no_leak(order_session: medorder.Session) -> None:
    page = order_session.audit()
    for _ in range(1_000):
        page.__arrow_c_stream__()
