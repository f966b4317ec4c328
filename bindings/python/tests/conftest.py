"""What the tests share. They judge the wheel that is installed, never the source tree."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import medorder

from shared import NEW

STARTED = time.monotonic()

@pytest.fixture
def new() -> medorder.CreateOrderRequest:
    return {**NEW}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the key file `root.key`, and room for `orders.db`."""
    medorder.generate_key_file(tmp_path / "root.key")
    return tmp_path


Opener = Callable[..., medorder.OrderService]


@pytest.fixture
def opened(folder: Path) -> Opener:
    """Opens `orders.db` of the folder."""

    def opener(**options: Any) -> medorder.OrderService:
        keys = medorder.KeyFile(folder / "root.key")
        return medorder.OrderService.open(folder / "orders.db", keys, synchronous="normal", **options)

    return opener


@pytest.fixture
def world(folder: Path, opened: Opener, order_actor: medorder.Actor) -> Path:
    """The folder with a closed database that knows `north`, `p-1` and `npi-1`."""
    with opened() as service:
        admin = service.admin(order_actor)
        admin.register_territory("north")
        admin.register_relationship("north", "p-1", "npi-1")
    return folder


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The line that `cargo xtask test` counts."""
    stats = terminalreporter.stats
    count = {word: len(stats.get(word, [])) for word in ("passed", "failed", "error", "skipped")}
    failed = count["failed"] + count["error"]
    terminalreporter.write_line(
        f"test result: {'FAILED' if failed else 'ok'}. {count['passed']} passed; {failed} failed; "
        f"{count['skipped']} ignored; 0 measured; 0 filtered out; finished in {time.monotonic() - STARTED:.2f}s"
    )
