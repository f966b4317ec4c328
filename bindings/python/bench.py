"""What a call costs in Python: `bench.py COUNT [SYNCHRONOUS]` prints lines `NAME MICROSECONDS`.

`create` and `get` are medians of one caller on a fresh database; `create 64` and `get 64` are 64 tasks of the async
twin at once, by the whole time. The order is the one that `benches/throughput` makes.
"""

import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, cast

import medorder

ACTOR: medorder.Actor = {
    "user_id": "u-1",
    "roles": ["requester", "administrator"],
    "territories": "*",
    "purpose": "treatment",
}
REQUEST: medorder.CreateOrderRequest = {
    "patient_id": "p-1",
    "provider_id": "npi-1",
    "service_type": "MRI brain series 001",
    "diagnosis_codes": ["G43.01", "G43.11"],
    "notes": ("claustrophobic, prefers mornings; " * 6)[:200],
    "insurance": {
        "carrier": "Prairie Mutual Health Insurance Company",
        "policy_number": "POL-00010001",
        "group_number": "G001",
    },
}
CALLERS = 64


def middle(count: int, call: Callable[[], object]) -> float:
    """The median microseconds of a call."""
    times = []
    for _ in range(count):
        started = time.perf_counter_ns()
        call()
        times.append(time.perf_counter_ns() - started)
    return statistics.median(times) / 1000


async def together(
    folder: Path, keys: medorder.KeyFile, options: medorder.OpenOptions, count: int, ids: list[str]
) -> None:
    async with medorder.AsyncOrderService.open(folder / "orders.db", keys, **options) as service:
        session = service.session(ACTOR, "north")

        async def caller(number: int, get: bool) -> None:
            for n in range(number, count, CALLERS):
                await (session.order(ids[n % len(ids)]) if get else session.create_order(REQUEST))

        for name, get in (("create", False), ("get", True)):
            started = time.perf_counter()
            await asyncio.gather(*(caller(number, get) for number in range(CALLERS)))
            print(f"{name} {CALLERS} {(time.perf_counter() - started) / count * 1e6}")


def main(count: int, synchronous: str) -> None:
    options: medorder.OpenOptions = {"synchronous": cast(Literal["full", "normal"], synchronous)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        medorder.generate_key_file(folder / "root.key")
        keys = medorder.KeyFile(folder / "root.key")
        with medorder.OrderService.open(folder / "orders.db", keys, **options) as service:
            admin = service.admin(ACTOR)
            admin.register_territory("north")
            admin.register_relationship("north", "p-1", "npi-1")
            session = service.session(ACTOR, "north")
            ids: list[str] = []
            print(f"create {middle(count, lambda: ids.append(session.create_order(REQUEST).id))}")
            places = itertools.cycle(ids)
            print(f"get {middle(count, lambda: session.order(next(places)))}")
        asyncio.run(together(folder, keys, options, count, ids))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "normal")
