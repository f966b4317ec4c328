"""Many threads on one service; the GIL is nobody's while the engine works."""

from __future__ import annotations

import itertools
import re
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import medorder

from shared import NEW, ROOT


def test_one_service_serves_many_threads(order_session: medorder.Session) -> None:
    """Each does all there is; every change is there once, and the chain is whole."""
    threads, rounds = 8, 25
    with order_session.subscribe(since="") as events:
        barrier = threading.Barrier(threads)

        def work(_: int) -> list[str]:
            barrier.wait()
            own = []
            for _ in range(rounds):
                order = order_session.create_order(NEW)
                own.append(order.id)
                data: medorder.VerificationData = {"verified_by": "u", "verification_method": "phone"}
                order_session.update_status(order.id, status="verified", verification_data=data)
                assert order_session.order(order.id).service_type == "MRI brain"
                assert order_session.orders(limit=5).orders
                with pytest.raises(medorder.TransitionError):
                    order_session.update_status(order.id, status="completed")
            return own

        with ThreadPoolExecutor(threads) as pool:
            made = [order for own in pool.map(work, range(threads)) for order in own]
        assert len(set(made)) == threads * rounds
        seen = [event.order_id for event in itertools.islice(events, 2 * len(made))]
    assert sorted(seen) == sorted(made * 2)
    assert order_session.verify_audit().verdict == "intact"


def test_one_subscription_serves_many_threads(order_session: medorder.Session) -> None:
    events, count = order_session.subscribe(), 200
    for _ in range(count):
        order_session.create_order(NEW)

    def take(_: int) -> str:
        event = events.next(timeout=10)
        assert event is not None
        return event.cursor

    with ThreadPoolExecutor(8) as pool:
        cursors = list(pool.map(take, range(count)))
    assert len(set(cursors)) == count


@pytest.fixture
def ticks() -> Iterator[Callable[[], int]]:
    """Counts how often another thread got the GIL, which nobody takes from a thread that does not give it."""
    count, stop = 0, threading.Event()

    def tick() -> None:
        nonlocal count
        while not stop.is_set():
            count += 1
            time.sleep(0.0001)

    thread = threading.Thread(target=tick)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1_000)
    thread.start()
    time.sleep(0.01)
    yield lambda: count
    stop.set()
    thread.join()
    sys.setswitchinterval(interval)


def test_the_gil_is_released_in_every_call(
    order_service: medorder.OrderService,
    order_session: medorder.Session,
    order_actor: medorder.Actor,
    ticks: Callable[[], int],
) -> None:
    order, admin = order_session.create_order(NEW), order_service.admin(order_actor)
    calls: dict[str, Callable[[], Any]] = {
        "create_order": lambda: order_session.create_order(NEW),
        "order": lambda: order_session.order(order.id),
        "orders": lambda: order_session.orders(),
        "order_by_key": lambda: pytest.raises(medorder.NotFoundError, order_session.order_by_key, "none"),
        "allowed_transitions": lambda: order_session.allowed_transitions(order.id),
        "update_status": lambda: pytest.raises(
            medorder.TransitionError, order_session.update_status, order.id, status="completed"
        ),
        "relationships": lambda: order_session.relationships(),
        "audit": lambda: order_session.audit(),
        "disclosures": lambda: order_session.disclosures("p-1"),
        "export_audit": lambda: order_session.export_audit().next_page(),
        "verify_audit": lambda: order_session.verify_audit(),
        "next": lambda: order_session.subscribe().next(timeout=0.01),
        "create_orders": lambda: order_session.create_orders([NEW] * 100, mode="each"),
        "territories": lambda: admin.territories(),
        "rotate_keys": lambda: admin.rotate_keys("north"),
        "generation": lambda: order_service.generation(),
    }
    before = ticks()
    ended = time.monotonic() + 0.05
    while time.monotonic() < ended:
        pass
    assert ticks() == before, "whoever keeps the GIL keeps it"
    for name, call in calls.items():
        # A busy machine may let the other thread wait for its turn; one that never gets the GIL never has it.
        before, ended = ticks(), time.monotonic() + 10
        while ticks() == before and time.monotonic() < ended:
            call()
        assert ticks() > before, name


def test_the_module_declares_that_it_needs_no_gil() -> None:
    """A free-threaded interpreter takes the GIL back for a module that does not say so, and shares its classes."""
    if hasattr(sys, "_is_gil_enabled") and sysconfig.get_config_var("Py_GIL_DISABLED"):
        assert not sys._is_gil_enabled()
    sources = [path.read_text() for path in (ROOT / "bindings/python/src").glob("*.rs")]
    assert sum("pymodule(gil_used = false)" in text for text in sources) == 1
    classes = [found for text in sources for found in re.findall(r"#\[pyclass\((.*?)\)\]", text)]
    assert len(classes) >= 15 and all("frozen" in arguments for arguments in classes)
