"""What goes in: every fault is named with its place, and nothing is guessed."""

from __future__ import annotations

import collections
import enum
import random
import types
from datetime import date, datetime, timedelta, timezone, tzinfo
from typing import Any, cast

import pytest

import medorder


def faults(error: medorder.MedorderError) -> list[tuple[str, str]]:
    return [(fault["path"], fault["rule"]) for fault in error.details["errors"]]


def refused(session: Any, **members: Any) -> list[tuple[str, str]]:
    with pytest.raises(medorder.ValidationError) as caught:
        session.create_order(**members)
    return faults(caught.value)


def test_one_answer_lists_every_fault(order_session: medorder.Session) -> None:
    members = {"patient_id": 7, "service_type": "", "diagnosis_codes": ["a", "\ud800", b"c"], "colour": "red"}
    assert refused(order_session, **members) == [
        ("diagnosis_codes[1]", "utf8"),
        ("diagnosis_codes[2]", "type"),
        ("colour", "unknown"),
        ("patient_id", "type"),
        ("provider_id", "required"),
        ("service_type", "empty"),
    ]


@pytest.mark.parametrize(
    ("value", "rule"),
    [({1, 2}, "type"), (b"bytes", "type"), (object(), "type"), (2**70, "format"), (float("nan"), "format")],
)
def test_what_has_no_json_is_never_taken_for_absent(
    order_session: medorder.Session, new: dict[str, Any], value: object, rule: str
) -> None:
    assert refused(order_session, **new, notes=value) == [("notes", rule)]
    assert len(order_session.orders()) == 0


def test_a_name_that_is_no_text_or_looks_like_none_does_not_show(order_session: medorder.Session) -> None:
    with pytest.raises(medorder.ValidationError) as caught:
        order_session.create_order({7: "x", "Jane Doe": b"x"})  # type: ignore[call-overload]
    assert faults(caught.value)[:2] == [("?", "type"), ("?", "type")]
    assert "Jane" not in str(caught.value) + repr(caught.value.details)


def test_a_request_may_be_dict_keywords_or_both(order_session: medorder.Session, new: dict[str, Any]) -> None:
    frozen = types.MappingProxyType({**new, "diagnosis_codes": tuple(new["diagnosis_codes"])})
    chained = collections.ChainMap({"notes": "a"}, dict(new))
    requests: list[Any] = [new, frozen, chained]
    seen = [order_session.order(order_session.create_order(request).id) for request in requests]
    seen.append(order_session.order(order_session.create_order(**new).id))
    override, anything = {"service_type": "X-ray"}, cast(Any, order_session)
    seen.append(order_session.order(anything.create_order(new, **override).id))
    assert [order.service_type for order in seen] == [*["MRI brain"] * 4, "X-ray"]
    assert [order.notes for order in seen] == ["", "", "a", "", ""]


def test_a_word_may_be_an_enum_of_text(order_session: medorder.Session, new: dict[str, Any]) -> None:
    class Status(enum.StrEnum):
        REJECTED = "rejected"

    order = order_session.create_order(**new)
    word: Any = Status.REJECTED
    assert order_session.update_status(order.id, status=word, reason="double").status == "rejected"


def test_times_are_aware(order_session: medorder.Session, new: dict[str, Any]) -> None:
    order = order_session.create_order(**new)
    zone = timezone(timedelta(hours=2))
    later = datetime(2031, 5, 6, 7, 8, 9, 10, tzinfo=zone)
    data: medorder.VerificationData = {
        "verified_by": "u-7",
        "verification_method": "phone",
        "valid_until": later,
        "coverage_details": {"plan": ["gold", 1, 2.5, None, True]},
    }
    for naive in (datetime(2031, 5, 6), date(2031, 5, 6)):
        with pytest.raises(medorder.ValidationError) as caught:
            wrong: Any = {**data, "valid_until": naive}
            order_session.update_status(order.id, status="verified", verification_data=wrong)
        assert faults(caught.value) == [("verification_data.valid_until", "format")]
    order_session.update_status(order.id, status="verified", verification_data=data)
    seen = order_session.order(order.id).insurance_verification
    assert seen is not None
    assert seen.valid_until == later
    assert seen.valid_until is not None and seen.valid_until.utcoffset() == timedelta(0)
    assert seen.coverage_details == {"plan": ["gold", 1, 2.5, None, True]}
    assert order.created_at.tzinfo is not None
    assert abs(order.created_at - datetime.now(zone)) < timedelta(minutes=1)
    page = order_session.orders({"created_from": later})
    assert len(page) == 0
    assert len(order_session.orders({"created_to": later})) == 1


def test_a_deep_request_is_refused(order_session: medorder.Session, new: dict[str, Any]) -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    assert refused(order_session, **new, insurance=deep)[-1][1] in ("format", "type")
    # Taken apart by hand: dropping it at once would need as deep a stack.
    while deep:
        deep = deep.pop()


def test_actor_territory_and_options_are_checked_at_once(order_service: Any, opened: Any) -> None:
    with pytest.raises(medorder.ValidationError) as caught:
        order_service.session({"user_id": "", "roles": "nurse", "territories": "*"}, "north")
    assert faults(caught.value) == [("user_id", "empty"), ("roles", "type"), ("purpose", "required")]
    actor = {"user_id": "u", "roles": [], "territories": "*", "purpose": "legal"}
    with pytest.raises(medorder.ValidationError):
        order_service.session(actor, "No Such Place")
    with pytest.raises(medorder.ValidationError) as caught:
        opened(colour="red", create="yes")
    assert faults(caught.value) == [("colour", "unknown"), ("create", "type")]


def test_a_dict_that_changes_while_it_is_read_is_no_panic(order_session: medorder.Session) -> None:
    class Meddler(tzinfo):
        def utcoffset(self, time: datetime | None) -> timedelta:
            wanted.update({f"other_{number}": 1 for number in range(100)})
            return timedelta(0)

        dst = tzname = lambda self, time: None

    wanted: Any = {"created_from": datetime(2020, 1, 1, tzinfo=Meddler()), "patient_id": "p-1"}
    assert len(order_session.orders(wanted)) == 0
    with pytest.raises(medorder.ValidationError):
        order_session.orders(wanted)


def test_a_change_names_no_other_order(order_session: medorder.Session, new: dict[str, Any]) -> None:
    one, other = order_session.create_order(**new), order_session.create_order(**new)
    wrong: Any = {"order_id": other.id, "status": "rejected", "reason": "double"}
    with pytest.raises(medorder.ValidationError) as caught:
        order_session.update_status(one.id, wrong)
    assert faults(caught.value) == [("order_id", "unknown")]
    assert [order.version for order in order_session.orders()] == [1, 1]


class Plain(dict[str, Any]):
    """Not exactly a dict, so that the engine reads it as JSON and not straight from its members."""


TEXTS: list[Any] = ["", "a", "MRI", "é\n", "\x00", "\x7f", "\t", "\ud800", "x" * 128, "x" * 129, "x" * 257, 7, None, b"a"]
CODES: list[Any] = [
    [], ["a", "b"], ("a",), [""], ["a", 7], ["a", None], ["x" * 129], ["a"] * 50, ["a"] * 51, ["\ud800"], "a", None, {}
]  # fmt: skip
INSURANCES: list[Any] = [
    None, {}, [], "x", {"carrier": "c"}, {"carrier": "c", "policy_number": ""}, {"carrier": "c", "policy_number": 7},
    {"carrier": "c", "policy_number": "p"}, {"carrier": "c", "policy_number": "p", "group_number": None},
    {"carrier": "c", "policy_number": "p", "group_number": "g"}, {"carrier": "c", "policy_number": "p", "colour": 1},
    {"carrier": "x" * 257, "policy_number": "p", "group_number": ""}, {7: "c", "policy_number": "p"},
]  # fmt: skip
SHAPES: dict[str, list[Any]] = {
    "patient_id": ["p-1", *TEXTS],
    "provider_id": ["npi-1", *TEXTS],
    "service_type": TEXTS,
    "diagnosis_codes": CODES,
    "notes": [*TEXTS, "two\nlines", "x" * 65_536, "x" * 65_537],
    "insurance": INSURANCES,
    "idempotency_key": TEXTS,
    "colour": ["red", None],
}


def same_either_way(session: medorder.Session, request: dict[Any, Any], number: int) -> None:
    """Reads `request` both ways: the same order is stored, or the same error is raised."""
    answers: list[object] = []
    for given in (request, Plain(request)):
        if isinstance(given.get("insurance"), dict) and isinstance(given, Plain):
            given["insurance"] = Plain(given["insurance"])
        key = given.get("idempotency_key")
        if isinstance(key, str) and 0 < len(key) < 100:
            # One key for each way, of one length.
            given = type(given)({**given, "idempotency_key": f"{key}{number:08}{len(answers)}"})
        try:
            order = session.create_order(cast(Any, given))
        except medorder.MedorderError as error:
            answers.append((type(error), str(error), error.details))
        else:
            seen = session.order(order.id).to_dict()
            answers.append({name: seen[name] for name in seen.keys() - {"id", "created_at", "updated_at"}})
    assert answers[0] == answers[1], request


@pytest.mark.parametrize("name", SHAPES)
def test_a_request_is_read_the_same_either_way(
    order_session: medorder.Session, new: dict[str, Any], name: str
) -> None:
    for number, value in enumerate(SHAPES[name]):
        same_either_way(order_session, {**new, name: value}, number)
    same_either_way(order_session, {key: value for key, value in new.items() if key != name}, 0)


def test_any_request_is_read_the_same_either_way(order_session: medorder.Session, new: dict[str, Any]) -> None:
    """Several members at once, sound ones more often than not."""
    chance = random.Random(7)
    for number in range(300):
        request: dict[Any, Any] = {**new}
        for name in chance.sample(list(SHAPES), chance.randint(1, 4)):
            request[name] = chance.choice(SHAPES[name])
        if chance.random() < 0.1:
            request[7] = "x"
        if chance.random() < 0.1:
            del request[chance.choice(list(request))]
        same_either_way(order_session, request, number)


def test_what_is_asked_of_an_order_is_read_the_same_either_way(order_session: Any, new: dict[str, Any]) -> None:
    order = order_session.create_order(**new)

    class Text(str):
        """Not exactly a text."""

    def answer(order_id: Any, fields: Any) -> object:
        try:
            return order_session.order(order_id, fields=fields).to_dict()
        except medorder.MedorderError as error:
            return type(error), str(error), error.details

    ids = [order.id, order.id.upper(), order.id.replace("-", ""), "{" + order.id + "}", "", "x"]
    fields: list[Any] = [
        None, [], ["notes"], ["service_type", "insurance"], ["notes", "notes"], ["shoe_size"], ["Notes"], [7], "notes"
    ]  # fmt: skip
    for order_id in ids:
        for names in fields:
            assert answer(order_id, names) == answer(Text(order_id), names), (order_id, names)
    assert answer(order.id, ("notes",)) == answer(order.id, ["notes"])
