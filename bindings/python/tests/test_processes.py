"""Ctrl-C, fork and the end of a process, each in processes of their own."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import medorder

from shared import finished, script

# Waits until it is interrupted, and says when it was.
UNTIL = """
with medorder.OrderService.open("orders.db", KEYS, synchronous="normal") as service:
    session, admin = service.session(ACTOR, "north"), service.admin(ACTOR)
    events = session.subscribe()
    session.create_orders([NEW] * {orders}, mode="atomic")
    events.close()
    events = session.subscribe()
    say("ready")
    sys.stdin.readline()
    try:
        while True:
            {call}
    except KeyboardInterrupt:
        say(repr(time.time()))
"""
CALLS = {
    "next": (1, "events.next()"),
    "iteration": (1, "next(iter(events))"),
    "next with a timeout": (1, "events.next(timeout=60)"),
    "a create behind the lock of another process": (1, "session.create_order(NEW)"),
    "verify_audit": (2_000, "session.verify_audit()"),
    "a great batch": (1, "session.create_orders([NEW] * 5_000, mode='atomic')"),
    "rotate_keys": (2_000, "admin.rotate_keys('north')"),
    "an async next": (1, "asyncio.run(follow())"),
}
FOLLOW = """
import asyncio
async def follow():
    async with medorder.AsyncOrderService.open("orders.db", KEYS) as service:
        async for event in service.session(ACTOR, "north").subscribe():
            pass
"""


@pytest.mark.parametrize("name", CALLS)
def test_ctrl_c_works_within_100_ms(world: Path, name: str) -> None:
    """The best of three: a busy machine may let a process wait for its turn, a call that is deaf never hears."""
    orders, call = CALLS[name]
    latencies = []
    for _ in range(3):
        process = script(world, FOLLOW + UNTIL.format(orders=orders, call=call), stdin=-1)
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "ready\n", process.communicate()
        lock = sqlite3.connect(world / "orders.db", isolation_level=None)
        if "lock" in name:
            lock.execute("BEGIN IMMEDIATE")
        process.stdin.write("go\n")
        process.stdin.flush()
        time.sleep(0.4)
        assert process.poll() is None
        sent = time.time()
        process.send_signal(signal.SIGINT)
        said = process.stdout.readline()
        lock.close()
        code, _, err = finished(process)
        assert (code, err) == (0, ""), err
        latencies.append(float(said) - sent)
        if latencies[-1] < 0.1:
            return
    pytest.fail(f"{name}: {latencies}")


OPEN = """
service = medorder.OrderService.open("orders.db", KEYS, synchronous="normal")
session = service.session(ACTOR, "north")
"""
STREAM = OPEN + """
events = session.subscribe(since="")
def follow():
    for event in events: pass
for _ in range(2): threading.Thread(target=follow, daemon=True).start()
"""
ASYNC = """
import asyncio
async def main():
    service = await medorder.AsyncOrderService.open("orders.db", KEYS, synchronous="normal")
    session = service.session(ACTOR, "north")
    async def follow():
        async for event in session.subscribe(since=""): pass
    tasks = [asyncio.create_task(follow()) for _ in range(2)]
    await asyncio.sleep(0)
    say("ready")
    await asyncio.sleep({wait})
try: asyncio.run(main())
except KeyboardInterrupt: pass
"""
# What a short process does; each ends with code 0 and without a word, with nothing closed.
ENDS = {
    "opens and ends": OPEN,
    "streams and ends": STREAM + "time.sleep(0.02)",
    "streams, writes and ends": STREAM + "session.create_order(NEW)",
    "streams on a loop and ends": ASYNC.format(wait=0.02),
    "exits while it streams": STREAM + "sys.exit(0)",
    "is interrupted while it streams": STREAM
    + "\ntry:\n    say('ready'); session.subscribe().next()\nexcept KeyboardInterrupt: pass",
    "is interrupted on a loop": ASYNC.format(wait=60),
    "forks while it streams": STREAM
    + "\npid = os.fork()\nif pid == 0: sys.exit(0)\nassert os.waitpid(pid, 0)[1] == 0",
    "forks a worker that is refused": STREAM
    + "\npid = os.fork()\nif pid == 0:\n    try: events.next()"
    + "\n    except medorder.ClosedError: sys.exit(7)\nassert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7",
    "forks a worker before it opens": "pid = os.fork()\n" + OPEN + "session.create_order(NEW); service.close()"
    + "\nif pid: assert os.waitpid(pid, 0)[1] == 0",
    "verifies on a thread and ends": OPEN
    + "def verify():\n    try: session.verify_audit()\n    except medorder.ClosedError: pass\n"
    + "threading.Thread(target=verify, daemon=True).start(); time.sleep(0.002)",
}
PROCESSES = 300


def test_300_short_processes_end_well(world: Path) -> None:
    names = [list(ENDS)[number % len(ENDS)] for number in range(PROCESSES)]

    def one(name: str) -> tuple[str, int, str]:
        # Not in dev mode, which rightly warns of what is left open here.
        process = script(world, ENDS[name], dev=False)
        if "interrupted" in name:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGINT)
        code, _, err = finished(process)
        return name, code, err

    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(one, names))
    assert [end for end in ended if end[1:] != (0, "")] == []
    assert len(ended) == PROCESSES and sum("stream" in name or "loop" in name for name in names) >= PROCESSES / 2
    with medorder.OrderService.open(world / "orders.db", medorder.KeyFile(world / "root.key")) as service:
        root: medorder.Actor = {
            "user_id": "u", "roles": ["auditor"], "territories": "*", "purpose": "legal"
        }  # fmt: skip
        assert service.admin(root).verify_audit().verdict == "intact"


FORKED = """
import asyncio
def closed(call):
    started = time.monotonic()
    try: call()
    except medorder.ClosedError as error: assert error.code == "CLOSED", error
    else: raise AssertionError("the child was not refused")
    # Whoever is not refused waits for 5 seconds or for ever.
    assert time.monotonic() - started < 4
async def on_loop(service):
    await service.session(ACTOR, "north").orders()
"""


def test_a_fork_is_refused_at_once(world: Path) -> None:
    """Every call in the child answers CLOSED without a wait, also on a subscription that somebody reads, and `open`."""
    text = FORKED + STREAM + """
order, export, mine = session.create_order(NEW), session.export_audit(), session.subscribe()
session.verify_audit()
async def open_other(): return await medorder.AsyncOrderService.open("orders.db", KEYS)
other = asyncio.run(open_other())
pid = os.fork()
if pid == 0:
    for call in (lambda: session.create_order(NEW), lambda: session.order(order.id), session.verify_audit,
                 lambda: mine.next(), lambda: events.next(), lambda: events.next(timeout=5), export.next_page, service.close,
                 lambda: session.create_orders([NEW], mode="each"), service.admin(ACTOR).territories,
                 lambda: asyncio.run(on_loop(other)), lambda: medorder.OrderService.open("orders.db", KEYS)):
        closed(call)
    say("child")
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
assert session.order(order.id).version == 1
asyncio.run(on_loop(other))
mine.close(); events.close(); service.close()
asyncio.run(other.close())
say("parent")
"""
    assert finished(script(world, text)) == (0, "child\nparent\n", "")


def test_a_loop_that_forks_is_refused_in_the_child(world: Path) -> None:
    text = """
import asyncio
async def main():
    async with medorder.AsyncOrderService.open("orders.db", KEYS) as service:
        session = service.session(ACTOR, "north")
        await session.orders()
        pid = os.fork()
        if pid == 0:
            try: await session.orders()
            except medorder.ClosedError: os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        await session.orders()
asyncio.run(main())
"""
    assert finished(script(world, text)) == (0, "", "")


def test_the_child_of_a_fork_closes_what_it_opened(world: Path) -> None:
    """At its end, like any process: a close signs a last checkpoint."""
    text = """
pid = os.fork()
if pid == 0:
    service = medorder.OrderService.open("orders.db", KEYS, anchor="anchor.txt")
    service.session(ACTOR, "north").create_order(NEW)
    say(os.path.getsize("anchor.txt"))
    sys.exit(0)
assert os.waitpid(pid, 0)[1] == 0
"""
    # Not in dev mode, which rightly warns of what is left open here.
    code, before, err = finished(script(world, text, dev=False))
    assert (code, err) == (0, "")
    assert (world / "anchor.txt").stat().st_size > int(before)


def work(folder: str) -> int:
    """What a spawned worker does: it opens the database itself."""
    keys = medorder.KeyFile(os.path.join(folder, "root.key"))
    with medorder.OrderService.open(os.path.join(folder, "orders.db"), keys) as service:
        actor: medorder.Actor = {
            "user_id": "u", "roles": ["requester"], "territories": "*", "purpose": "treatment"
        }  # fmt: skip
        new: medorder.CreateOrderRequest = {
            "patient_id": "p-1", "provider_id": "npi-1", "service_type": "MRI", "diagnosis_codes": []
        }  # fmt: skip
        return service.session(actor, "north").create_order(new).version


def test_spawned_workers_open_their_own(world: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.map(work, [str(world)] * 4) == [1] * 4
        pool.close()
        pool.join()
