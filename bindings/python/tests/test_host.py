"""Keys, directory and anchor of the host, and its log."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import medorder


class Hsm:
    """Stands for the machine that keeps keys: a blob is the place of what it keeps."""

    def __init__(self) -> None:
        self.kept: list[tuple[bytes, bytes]] = []
        self.fault: Exception | None = None
        self.asked: Callable[[], object] = lambda: None

    def wrap(self, key: bytes, context: bytes) -> bytes:
        self.check()
        self.kept.append((key, context))
        return len(self.kept).to_bytes(4)

    def unwrap(self, blob: bytes, context: bytes) -> bytes:
        self.check()
        key, bound = self.kept[int.from_bytes(blob) - 1]
        if bound != context:
            raise medorder.KeyRefused
        return key

    def check(self) -> None:
        self.asked()
        if self.fault:
            raise self.fault


@pytest.fixture
def hsm() -> Hsm:
    return Hsm()


def test_keys_of_the_host_open_and_refuse(hsm: Hsm, folder: Path, order_actor: Any) -> None:
    path = folder / "orders.db"
    with medorder.OrderService.open(path, medorder.CallbackKeys(hsm.wrap, hsm.unwrap)) as service:
        service.admin(order_actor).register_territory("north")
    with medorder.OrderService.open(path, hsm) as service:
        assert service.admin(order_actor).territories() == ["north"]
    for fault, code in [
        (medorder.KeyRefused(), "KEY_MISMATCH"),
        (ConnectionError("secret"), "KEY_UNAVAILABLE"),
        (KeyError("secret"), "KEY_UNAVAILABLE"),
    ]:
        hsm.fault = fault
        with pytest.raises(medorder.MedorderError) as caught:
            medorder.OrderService.open(path, hsm)
        assert caught.value.code == code
    hsm.fault = None
    hsm.kept = [(b"short", context) for _, context in hsm.kept]
    with pytest.raises(medorder.DataError, match="KEY_MISMATCH"):
        medorder.OrderService.open(path, hsm)
    with pytest.raises(TypeError, match="keys has no wrap and no unwrap"):
        medorder.OrderService.open(path, "root.key")  # type: ignore[arg-type]


def test_what_a_callback_raises_is_logged_by_its_name_alone(
    hsm: Hsm, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hsm.fault = ConnectionError("a secret url")
    with pytest.raises(medorder.UnavailableError):
        medorder.OrderService.open(folder / "orders.db", hsm)
    assert "the key provider raised ConnectionError" in caplog.text and "secret" not in caplog.text
    assert {record.name for record in caplog.records} == {"medorder"}


def test_an_environment_variable_holds_a_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(medorder.ValidationError, match="key_variable required"):
        medorder.EnvKey("ORDERS_KEY")
    monkeypatch.setenv("ORDERS_KEY", (folder / "root.key").read_text().strip())
    keys = medorder.EnvKey("ORDERS_KEY")
    assert repr(keys) == "EnvKey('ORDERS_KEY')"
    medorder.OrderService.open(folder / "orders.db", keys).close()
    medorder.OrderService.open(folder / "orders.db", medorder.KeyFile(folder / "root.key")).close()
    assert os.environ["ORDERS_KEY"].split()[1] not in repr(medorder.KeyFile(folder / "root.key"))


class Ward:
    """A directory; what it answers can be changed."""

    answer: Any = True

    def territory_exists(self, territory_id: str) -> bool:
        return territory_id == "north"

    def relationship_exists(self, patient_id: str, provider_id: str, territory_id: str) -> bool:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]


def test_a_directory_of_the_host_decides(opened: Any, order_actor: Any, new: dict[str, Any]) -> None:
    ward = Ward()
    with opened(directory=ward, key_cache_ttl_ms=0) as service:
        service.admin(order_actor).register_territory("north")
        session = service.session(order_actor, "north")
        session.create_order(**new)
        for answer, code in [
            (False, "PATIENT_PROVIDER_MISMATCH"),
            (None, "STORAGE_UNAVAILABLE"),
            ("yes", "STORAGE_UNAVAILABLE"),
            (RuntimeError(), "STORAGE_UNAVAILABLE"),
        ]:
            ward.answer = answer
            with pytest.raises(medorder.MedorderError) as caught:
                session.create_order(**{**new, "patient_id": f"p-{code}"})
            assert caught.value.code == code


@pytest.mark.parametrize("twin", ["sync", "async"])
def test_a_callback_cannot_call_the_service(
    twin: str, folder: Path, opened: Any, order_actor: Any, new: dict[str, Any]
) -> None:
    caught: list[Exception] = []
    ward = Ward()

    def meddle(*_: str) -> bool:
        for call in (lambda: session.orders(), lambda: session.verify_audit(), service.close):
            try:
                call()
            except medorder.ClosedError as error:
                caught.append(error)
        return True

    ward.relationship_exists = meddle  # type: ignore[method-assign,assignment]
    with opened(directory=ward) as service:
        service.admin(order_actor).register_territory("north")
        session = service.session(order_actor, "north")
        if twin == "sync":
            session.create_order(**new)
        else:
            asyncio.run(self_made(folder, ward, order_actor, new))
    assert len(caught) == 3 and all("callback" in str(error) for error in caught)


async def self_made(folder: Path, ward: Ward, actor: Any, new: dict[str, Any]) -> None:
    keys = medorder.KeyFile(folder / "root.key")
    async with medorder.AsyncOrderService.open(folder / "orders.db", keys, directory=ward) as service:
        await service.session(actor, "north").create_order(**new)


def test_callbacks_may_be_coroutine_functions(folder: Path, hsm: Hsm, order_actor: Any, new: dict[str, Any]) -> None:
    loops = set()

    class Later:
        async def territory_exists(self, territory_id: str) -> bool:
            loops.add(asyncio.get_running_loop())
            return True

        async def relationship_exists(self, patient_id: str, provider_id: str, territory_id: str) -> bool:
            await asyncio.sleep(0.01)
            return patient_id == "p-1"

    async def main() -> None:
        opening = medorder.AsyncOrderService.open(folder / "orders.db", hsm, directory=Later())
        async with opening as service:
            await service.admin(order_actor).register_territory("north")
            session = service.session(order_actor, "north")
            await session.create_order(**new)
            with pytest.raises(medorder.InvalidError, match="PATIENT_PROVIDER_MISMATCH"):
                await session.create_order(**{**new, "patient_id": "p-9"})
            assert loops == {asyncio.get_running_loop()}

    asyncio.run(main())


def test_a_coroutine_of_a_callback_cannot_call_the_service(
    folder: Path, order_actor: Any, new: dict[str, Any]
) -> None:
    """It is refused at once, not left to wait for itself; what it leaves running may call afterwards."""
    caught: list[str] = []
    later: list[asyncio.Task[Any]] = []
    created: asyncio.Future[medorder.OrderSummary]

    class Directory:
        service: medorder.AsyncOrderService

        async def territory_exists(self, territory_id: str) -> bool:
            return await self.asked()

        async def relationship_exists(self, patient_id: str, provider_id: str, territory_id: str) -> bool:
            return await self.asked()

        async def asked(self) -> bool:
            try:
                await self.service.session(order_actor, "north").orders()
            except medorder.ClosedError as error:
                caught.append(error.code)
            later.append(asyncio.create_task(self.afterwards()))
            return True

        async def afterwards(self) -> int:
            while not created.done():
                await asyncio.sleep(0.01)
            return len(await self.service.session(order_actor, "north").orders())

    async def main() -> None:
        nonlocal created
        created = asyncio.get_running_loop().create_future()
        directory, keys = Directory(), medorder.KeyFile(folder / "root.key")
        async with medorder.AsyncOrderService.open(folder / "orders.db", keys, directory=directory) as service:
            directory.service = service
            await service.admin(order_actor).register_territory("north")
            created.set_result(await service.session(order_actor, "north").create_order(**new))
            assert [await task for task in later] == [1] * len(later) != []

    asyncio.run(main())
    assert caught and set(caught) == {"CLOSED"}


def test_an_anchor_tells_a_database_that_was_put_back(folder: Path, opened: Any, order_actor: Any) -> None:
    notes: list[str] = []

    class Anchor:
        def keep(self, note: str) -> None:
            notes.append(note)

        def newest(self, chain: str) -> str | None:
            own = [note for note in notes if note.split("\n")[0].rpartition("/")[2] == chain]
            return own[-1] if own else None

    for anchor in (Anchor(), folder / "anchor", str(folder / "anchor")):
        notes.clear()
        with opened(anchor=anchor) as service:
            admin = service.admin(order_actor)
            if "north" not in admin.territories():
                admin.register_territory("north")
            made = admin.checkpoint()
            assert made and (notes == made or notes == [])
            assert admin.verify_audit().anchored
            assert len(service.checkpoint_public_key()) == 32 and len(service.generation()) == 36
    with pytest.raises(TypeError, match="anchor has no keep"):
        opened(anchor=object())


def test_a_rotation_and_a_new_root_tell_how_far_they_are(
    order_service: medorder.OrderService, order_session: medorder.Session, order_actor: Any, new: Any, hsm: Hsm
) -> None:
    order_session.create_orders([new] * 600, mode="atomic")
    steps: list[tuple[int, int]] = []
    admin = order_service.admin(order_actor)
    report = admin.rotate_keys("north", progress=lambda done, total: steps.append((done, total)))
    assert (report.version, report.rewrapped, report.resumed) == (2, 600, False)
    assert steps[-1] == (600, 600) and steps == sorted(steps)
    # A bar in the way of tqdm.
    shown = [0]
    admin.change_root(hsm, progress=lambda done, total: shown.append(done))
    assert shown[-1] > 1

    def stop(done: int, total: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        admin.rotate_keys("north", progress=stop)
    assert admin.verify_audit().verdict == "intact"


def test_the_log_is_silent_unless_set_up(order_session: medorder.Session, capfd: pytest.CaptureFixture[str]) -> None:
    order_session.revoke()
    with pytest.raises(medorder.DeniedError):
        order_session.orders()
    assert capfd.readouterr() == ("", "")


def test_a_handler_may_call_the_service(
    order_service: Any, order_session: medorder.Session, order_actor: Any
) -> None:
    """What a handler's own calls leave in the log waits for the next call, so that no handler runs inside itself."""
    lines: list[str] = []
    denied = order_service.session({**order_actor, "roles": []}, "north")

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())
            with pytest.raises(medorder.DeniedError):
                denied.orders()

    logger, handler = logging.getLogger("medorder"), Handler()
    logger.addHandler(handler)
    try:
        with pytest.raises(medorder.DeniedError):
            denied.orders()
        assert len(lines) == 1 and "denied" in lines[0] and "ACCESS_DENIED" in lines[0]
        order_session.orders()
        assert len(lines) == 2
    finally:
        logger.removeHandler(handler)
