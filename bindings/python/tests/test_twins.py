"""The two twins are one face: the same methods with the same arguments."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import medorder

from shared import ROOT

HERE = Path(__file__).parents[1]
TWINS: list[tuple[Any, Any]] = [
    (medorder.OrderService, medorder.AsyncOrderService),
    (medorder.Session, medorder.AsyncSession),
    (medorder.Admin, medorder.AsyncAdmin),
    (medorder.Subscription, medorder.AsyncSubscription),
    (medorder.AuditExport, medorder.AsyncAuditExport),
]
# What is done without waiting for anything, in both.
AT_ONCE = {"session", "admin", "open", "subscribe", "revoke", "cursor", "total"}


def public(twin: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(twin).items() if not name.startswith("_")}


@pytest.mark.parametrize(("one", "other"), TWINS)
def test_methods_and_arguments_are_the_same(one: Any, other: Any) -> None:
    assert public(one).keys() == public(other).keys() != set()
    for name in public(one):
        first, second = getattr(one, name), getattr(other, name)
        if callable(first):
            mine, theirs = inspect.signature(first), inspect.signature(second)
            assert mine.parameters == theirs.parameters, name
            waits = inspect.iscoroutinefunction(second)
            at_once = name in AT_ONCE or (one is medorder.Subscription and name == "close")
            assert waits != at_once, name
        assert inspect.getdoc(first), name


def test_the_sync_twin_is_made_from_the_async_one() -> None:
    subprocess.run([sys.executable, HERE / "twin.py", "--check"], check=True)


def test_the_stubs_are_those_of_the_extension(tmp_path: Path) -> None:
    maturin = Path(sys.executable).with_name("maturin")
    target = ["--profile", "dev", "--target-dir", str(ROOT / "target"), "--interpreter", sys.executable]
    manifest = ["--manifest-path", str(HERE / "Cargo.toml"), "--out", str(tmp_path)]
    subprocess.run([maturin, "generate-stubs", *manifest, *target], check=True, capture_output=True)
    committed = HERE / "python/medorder/_core.pyi"
    assert (tmp_path / "medorder/_core.pyi").read_text() == committed.read_text()


def test_every_public_name_is_documented() -> None:
    # Words are types of literals, which carry no text.
    words = {"BatchMode", "InsuranceStatus", "OrderStatus", "PhiField", "Purpose", "Verdict", "__version__"}
    for name in set(medorder.__all__) - words - {"AuditFilter", "ERROR_TABLE"}:
        assert inspect.getdoc(getattr(medorder, name)), name
