"""Plays the scenarios of the conformance suite through a twin of the face for Python: `python.py sync|async JOBS.json`.

Everything is written once and awaited if the twin answers something to be awaited.
"""

import asyncio
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import medorder

TWINS: dict[str, Any] = {"sync": medorder.OrderService, "async": medorder.AsyncOrderService}
SCENARIO = {"name", "why", "skip", "directory", "options", "world", "actors", "steps"}
STEP = {"do", "as", "in", "with", "save", "expect", "error"}
# The argument of each call that is given by its place.
FIRST = {
    "create_orders": "requests",
    "update_statuses": "changes",
    "delete_order": "order_id",
    "order": "order_id",
    "order_by_key": "idempotency_key",
    "orders": "filter",
    "allowed_transitions": "order_id",
    "relationships": "filter",
    "audit": "filter",
    "disclosures": "patient_id",
    "verify_audit": "checkpoint",
}


class HostKeys:
    """Keeps keys in memory; a blob is the position of what it keeps."""

    def __init__(self) -> None:
        self.kept: list[tuple[bytes, bytes]] = []
        self.failing = False

    def wrap(self, key: bytes, context: bytes) -> bytes:
        if self.failing:
            raise ConnectionError("the machine that keeps keys is away")
        self.kept.append((context, key))
        return str(len(self.kept) - 1).encode()

    def unwrap(self, blob: bytes, context: bytes) -> bytes:
        if self.failing:
            raise ConnectionError("the machine that keeps keys is away")
        at = int(blob) if blob.isdigit() else len(self.kept)
        if at >= len(self.kept) or self.kept[at][0] != context:
            raise medorder.KeyRefused
        return self.kept[at][1]


class HostDirectory:
    """Knows two territories and two patients, with any provider."""

    failing = False

    def territory_exists(self, territory_id: str) -> bool:
        if self.failing:
            raise ConnectionError("the directory is away")
        return territory_id in ("north", "south")

    def relationship_exists(self, patient_id: str, provider_id: str, territory_id: str) -> bool:
        return self.territory_exists(territory_id) and patient_id in ("p-1", "p-2")


class Failed(Exception):
    """Why a scenario does not hold."""


class Player:
    def __init__(self, twin: Any, scenario: dict[str, Any], job: dict[str, Any]) -> None:
        self.twin, self.scenario, self.job = twin, scenario, job
        self.actors = {**json.loads(Path(job["actors"]).read_text()), **scenario.get("actors", {})}
        self.saved: dict[str, Any] = {"paths": job["paths"]}
        self.host: dict[str, Any] = {"keys": HostKeys(), "directory": HostDirectory()}
        self.key, self.url = "a", job["url"]
        self.sessions: dict[tuple[str, str], Any] = {}
        self.subscriptions: dict[str, Any] = {}

    async def play(self) -> None:
        known(self.scenario, SCENARIO)
        await self.open(self.scenario.get("options", {}))
        try:
            if self.scenario.get("world", True):
                await self.make_world()
            for number, step in enumerate(self.scenario["steps"], 1):
                try:
                    await self.step(step)
                except Failed as failed:
                    raise Failed(f"step {number}: {failed}") from None
                except Exception as error:
                    raise Failed(f"step {number}: {error!r}") from error
        finally:
            await settled(self.service.close())

    async def open(self, options: dict[str, Any]) -> None:
        host = self.host["directory"] if self.scenario.get("directory") == "host" else None
        options = self.filled(dict(options))
        anchor = options.pop("anchor_file", None)
        opening = self.twin.open(self.url, self.keys(self.key), directory=host, anchor=anchor, **options)
        self.service = await settled(opening)
        self.sessions, self.subscriptions = {}, {}

    def keys(self, name: str) -> Any:
        return self.host["keys"] if name == "host" else medorder.KeyFile(self.job["keys"][name])

    async def make_world(self) -> None:
        admin = self.service.admin(self.actors["root"])
        for territory in ("north", "south"):
            await settled(admin.register_territory(territory))
            if self.scenario.get("directory") != "host":
                for patient in ("p-1", "p-2"):
                    await settled(admin.register_relationship(territory, patient, "npi-1"))

    async def step(self, step: dict[str, Any]) -> None:
        known(step, STEP)
        try:
            answer = await self.call(step, self.filled(step.get("with", {})))
        except medorder.MedorderError as error:
            row = medorder.ERROR_TABLE[error.code]
            told = {"code": error.code, "number": error.number, "kind": error.kind, "details": error.details}
            if "error" not in step:
                raise Failed(f"{error!r} {error.details}") from None
            matches(self.filled(step["error"]), {**told, "retryable": error.retryable}, "error")
            assert (row.number, row.kind, row.retryable) == (error.number, error.kind, error.retryable)
            return
        if "error" in step:
            raise Failed(f"no error but {answer}")
        if "save" in step:
            self.saved[step["save"]] = answer
        if "expect" in step:
            matches(self.filled(step["expect"]), answer, "answer")

    async def call(self, step: dict[str, Any], given: dict[str, Any]) -> Any:
        do = step["do"]
        if do == "service.error_table":
            rows = medorder.ERROR_TABLE.values()
            return [{n: getattr(row, n) for n in ("number", "kind", "retryable")} | {"code": row.name} for row in rows]
        if do == "service.close":
            return await settled(self.service.close())
        if do == "service.open":
            self.key, self.url = given.get("keys", self.key), given.get("url", self.url)
            return await self.open(given.get("options", self.scenario.get("options", {})))
        if do in ("host.fail", "host.mend"):
            self.host[given["what"]].failing = do == "host.fail"
            return None
        if do == "host.damage":
            subprocess.run([*self.job["damage"], self.url, given[self.job["engine"]]], check=True)
            return None
        if do == "next":
            event = await settled(self.subscriptions[given["from"]].next(given["timeout_ms"] / 1000))
            return plain(event)
        if do == "cursor":
            return self.subscriptions[given["from"]].cursor
        if do.startswith("admin."):
            admin = self.service.admin(self.actors[step["as"]])
            if do == "admin.change_root":
                return await settled(admin.change_root(self.keys(given["keys"])))
            return plain(await settled(getattr(admin, do.removeprefix("admin."))(**given)))
        return await self.session_call(step, do, given)

    async def session_call(self, step: dict[str, Any], do: str, given: dict[str, Any]) -> Any:
        key = (step["as"], step.get("in", "north"))
        if key not in self.sessions:
            self.sessions[key] = self.service.session(self.actors[key[0]], key[1])
        session = self.sessions[key]
        if do == "create_order":
            return plain(await settled(session.create_order(given)))
        if do == "update_status":
            return plain(await settled(session.update_status(given.pop("order_id"), given)))
        if do == "subscribe":
            self.subscriptions[step["save"]] = await settled(session.subscribe(**given))
            return None
        if do == "export_audit":
            export, entries = await settled(session.export_audit()), []
            while page := await settled(export.next_page()):
                entries += page.to_dicts()
            return {"entries": entries}
        if do == "relationships" and given.get("after"):
            given["after"] = medorder.Relationship(**given["after"])
        if FIRST.get(do) in ("requests", "changes"):
            # What is malformed there is the engine's to find, also if it is not there.
            given.setdefault("mode", None)
        placed = [given.pop(FIRST[do])] if FIRST.get(do) in given else []
        return plain(await settled(getattr(session, do)(*placed, **given)))

    def filled(self, value: Any) -> Any:
        """The value with what was saved in the place of its names."""
        if isinstance(value, dict):
            return {name: self.filled(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.filled(item) for item in value]
        if isinstance(value, str) and value.startswith("$"):
            found: Any = self.saved
            for name in value[1:].split("."):
                found = found[int(name)] if isinstance(found, list) else found[name]
            return found
        return value


async def settled(answer: Any) -> Any:
    return await answer if inspect.isawaitable(answer) else answer


def plain(answer: Any) -> Any:
    """An answer as the wire's JSON has it."""
    if isinstance(answer, list):
        return [plain(item) for item in answer]
    return answer.to_dict() if hasattr(answer, "to_dict") else answer


def known(members: dict[str, Any], names: set[str]) -> None:
    if unknown := members.keys() - names:
        raise Failed(f"unknown members {sorted(unknown)}")


def matches(expected: Any, got: Any, place: str) -> None:
    if expected == "<any>" and got is not None:
        return
    if isinstance(expected, dict) and isinstance(got, dict):
        for name, member in expected.items():
            if member == "<absent>":
                if name in got:
                    raise Failed(f"{place}.{name} is there")
            elif name not in got:
                raise Failed(f"{place}.{name} is absent")
            else:
                matches(member, got[name], f"{place}.{name}")
    elif isinstance(expected, list) and isinstance(got, list):
        if len(expected) != len(got):
            raise Failed(f"{place} has {len(got)} items, not {len(expected)}: {got}")
        for at, (one, other) in enumerate(zip(expected, got, strict=True)):
            matches(one, other, f"{place}[{at}]")
    # True is 1 in Python, and not on the wire.
    elif expected != got or isinstance(expected, bool) != isinstance(got, bool):
        raise Failed(f"{place} is {got!r}, not {expected!r}")


async def main(twin: str, jobs: str) -> int:
    ran = failed = skipped = 0
    for job in json.loads(Path(jobs).read_text())["jobs"]:
        scenario = json.loads(Path(job["scenario"]).read_text())
        name = scenario["name"]
        if job["engine"] in scenario.get("skip", {}):
            skipped += 1
            print(f"skipped {name}: {scenario['skip'][job['engine']]}")
            continue
        ran += 1
        try:
            await Player(TWINS[twin], scenario, job).play()
            print(f"ok {name}")
        except Exception as error:
            failed += 1
            print(f"failed {name}: {error}")
    print(f"ran {ran}, failed {failed}, skipped {skipped}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
