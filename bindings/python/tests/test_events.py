"""Live changes: every change once, in order, however a reader waits, stops and goes on."""

from __future__ import annotations

import asyncio
import itertools
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import medorder

from shared import NEW

ACTOR: medorder.Actor = {
    "user_id": "u-test",
    "roles": ["requester", "verifier", "fulfiller", "auditor", "administrator"],
    "territories": "*",
    "purpose": "operations",
}


def opening(world: Path) -> Any:
    keys = medorder.KeyFile(world / "root.key")
    return medorder.AsyncOrderService.open(world / "orders.db", keys, synchronous="normal")


def test_a_loop_gets_every_change_and_resumes(order_session: medorder.Session) -> None:
    made = [order_session.create_order(NEW).id for _ in range(3)]
    with order_session.subscribe(since="") as events:
        first = events.next()
        assert first is not None and events.cursor == first.cursor
        assert [event.order_id for event in itertools.islice(events, 2)] == made[1:]
        assert events.next(timeout=0) is None
    with order_session.subscribe(since=first.cursor) as events:
        assert [event.order_id for event in itertools.islice(events, 2)] == made[1:]
    with order_session.subscribe(order_id=made[1], since="") as events:
        only = events.next(timeout=5)
        assert only is not None and only.order_id == made[1] and events.next(timeout=0) is None
    with pytest.raises(medorder.InvalidError, match="INVALID_CURSOR"):
        order_session.subscribe(since="nonsense")
    with pytest.raises(medorder.ValidationError, match="order_id format"):
        order_session.subscribe(order_id="7")


def test_a_timeout_is_kept(order_session: medorder.Session) -> None:
    with order_session.subscribe() as events:
        started = time.monotonic()
        assert events.next(timeout=0.2) is None
        assert 0.2 <= time.monotonic() - started < 1


def test_closing_from_another_thread_wakes_a_reader(order_session: medorder.Session) -> None:
    for read in (list, lambda events: events.next()):
        events = order_session.subscribe()
        threading.Timer(0.1, events.close).start()
        started = time.monotonic()
        if read is list:
            assert read(events) == []
        else:
            with pytest.raises(medorder.ClosedError, match="subscription"):
                read(events)
        assert time.monotonic() - started < 1


def test_a_revoked_session_and_a_closed_service_end_a_reader(opened: Any, world: Path) -> None:
    with opened() as service:
        session = service.session(ACTOR, "north")
        events = session.subscribe()
        threading.Timer(0.1, session.revoke).start()
        with pytest.raises(medorder.DeniedError):
            events.next(timeout=5)
        events = service.session(ACTOR, "north").subscribe()
    with pytest.raises(medorder.ClosedError):
        next(iter(events))


def test_the_async_twin_reads_in_every_way(world: Path) -> None:
    async def main() -> None:
        async with opening(world) as service:
            session = service.session(ACTOR, "north")
            made = [(await session.create_order(NEW)).id for _ in range(3)]
            seen = []
            async for event in session.subscribe(since=""):
                seen.append(event.order_id)
                if len(seen) == 3:
                    break
            assert seen == made
            events = await session.subscribe(since="")
            one = await events.next()
            assert one is not None and one.order_id == made[0] and events.cursor == one.cursor
            waiting = asyncio.create_task(drained(events))
            await asyncio.sleep(0.05)
            with pytest.raises(RuntimeError, match="another task"):
                await events.next()
            events.close()
            assert [event.order_id for event in await waiting] == made[1:]
            async with session.subscribe() as events:
                started = time.monotonic()
                assert await events.next(timeout=0.1) is None
                assert 0.1 <= time.monotonic() - started < 1
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await events.next()

    asyncio.run(main())


async def drained(events: medorder.AsyncSubscription) -> list[medorder.OrderEvent]:
    return [event async for event in events]


def test_a_cancelled_reader_loses_nothing(world: Path) -> None:
    """Readers are cancelled at any moment: before the event, on its way, and in the step that would have given it."""
    count, chance = 300, random.Random(7)

    async def main() -> None:
        async with opening(world) as service:
            session = service.session(ACTOR, "north")
            events = await session.subscribe()
            writer = asyncio.create_task(write(session))
            seen: list[str] = []
            cancelled = 0
            while len(seen) < count:
                reader = asyncio.create_task(events.next())
                await asyncio.wait([reader], timeout=chance.choice([0, 0, 0.0005, 0.002, 0.01]))
                if chance.random() < 0.5:
                    # Also one that is done in this very moment.
                    await asyncio.sleep(0)
                reader.cancel()
                try:
                    event = await reader
                    assert event is not None
                    seen.append(event.order_id)
                except asyncio.CancelledError:
                    cancelled += 1
            assert seen == await writer
            assert cancelled > count / 10
            assert await events.next(timeout=0.05) is None

    async def write(session: medorder.AsyncSession) -> list[str]:
        return [(await session.create_order(NEW)).id for _ in range(count)]

    asyncio.run(main())


def test_a_cancelled_call_ends_and_its_loop_goes_on(world: Path) -> None:
    async def main() -> None:
        async with opening(world) as service:
            session = service.session(ACTOR, "north")
            calls = [asyncio.create_task(session.create_order(NEW)) for _ in range(100)]
            await asyncio.sleep(0.01)
            for call in calls[::2]:
                call.cancel()
            answers = await asyncio.gather(*calls, return_exceptions=True)
            done = [answer for answer in answers if isinstance(answer, medorder.OrderSummary)]
            assert len(done) >= 50
            stored = {order.id for order in await session.orders(limit=500, fields=[])}
            assert {order.id for order in done} <= stored

    asyncio.run(main())


def test_loops_come_and_go(world: Path) -> None:
    """`asyncio.run` several times, loops in several threads, and a loop that is dropped with a call under way."""

    async def once() -> str:
        async with opening(world) as service:
            return str((await service.session(ACTOR, "north").create_order(NEW)).status)

    assert [asyncio.run(once()) for _ in range(3)] == ["pending_verification"] * 3

    statuses: list[str] = []
    threads = [threading.Thread(target=lambda: statuses.append(asyncio.run(once()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == ["pending_verification"] * 4

    async def left() -> None:
        service = await opening(world)
        events = await service.session(ACTOR, "north").subscribe()
        task = asyncio.create_task(events.next())
        await asyncio.sleep(0.01)
        await service.close()
        with pytest.raises(medorder.ClosedError):
            await task

    asyncio.run(left())


def test_many_awaits_share_a_wake_up(world: Path) -> None:
    async def main() -> None:
        async with opening(world) as service:
            session = service.session(ACTOR, "north")
            orders = await asyncio.gather(*(session.create_order(NEW) for _ in range(200)))
            assert len({order.id for order in orders}) == 200
            pages = await asyncio.gather(*(session.orders(limit=10) for _ in range(50)))
            assert {len(page) for page in pages} == {10}

    asyncio.run(main())


def test_an_answer_without_a_loop_is_no_harm(world: Path) -> None:
    async def main() -> None:
        service = await opening(world)
        session = service.session(ACTOR, "north")
        asyncio.get_running_loop().create_task(session.verify_audit()).cancel()
        await service.close()

    for _ in range(5):
        asyncio.run(main())
