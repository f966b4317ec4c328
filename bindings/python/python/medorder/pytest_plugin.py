"""Fixtures for the tests of programs that use medorder: each test gets a database of its own, which is thrown away.

`order_service` is open and knows the territory `north`, the patient `p-1` and the provider `npi-1`. `order_actor` may
do everything, `order_session` is that actor in `north`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import medorder


@pytest.fixture
def order_actor() -> medorder.Actor:
    """Somebody with every standard role in every territory."""
    roles = ["requester", "verifier", "fulfiller", "auditor", "administrator"]
    return {"user_id": "u-test", "roles": roles, "territories": "*", "purpose": "operations"}


@pytest.fixture
def order_service(tmp_path: Path, order_actor: medorder.Actor) -> Iterator[medorder.OrderService]:
    """An open service on a fresh SQLite database."""
    # Not at the top: the plugin is loaded in every test run, also where nothing uses it.
    import medorder

    folder = tmp_path / "medorder"
    folder.mkdir()
    medorder.generate_key_file(folder / "root.key")
    keys = medorder.KeyFile(folder / "root.key")
    with medorder.OrderService.open(folder / "orders.db", keys, synchronous="normal") as service:
        admin = service.admin(order_actor)
        admin.register_territory("north")
        admin.register_relationship("north", "p-1", "npi-1")
        yield service


@pytest.fixture
def order_session(order_service: medorder.OrderService, order_actor: medorder.Actor) -> medorder.Session:
    """`order_actor` in the territory `north` of `order_service`."""
    return order_service.session(order_actor, "north")
