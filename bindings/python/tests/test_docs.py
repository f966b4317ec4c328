"""What the documentation says is run: the examples of `help()`, the blocks of the README, the programs of the
examples, each with the wheel alone."""

from __future__ import annotations

import ast
import asyncio
import builtins
import contextlib
import doctest
import inspect
import io
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import medorder
from medorder import _async, _sync

from shared import ROOT

OPTIONS = doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL | doctest.NORMALIZE_WHITESPACE
EXAMPLES = sorted((ROOT / "examples/python").glob("*.py"))


def examples(twin: str) -> list[doctest.DocTest]:
    """The examples of a twin's classes; `medorder` is the package's own."""
    finder, found = doctest.DocTestFinder(exclude_empty=True), []
    if twin == "medorder":
        found = finder.find(medorder, "medorder", module=False)[:1]
    for name in medorder.__all__:
        cls = getattr(medorder, name)
        if inspect.isclass(cls) and cls in vars(_async if twin == "async" else _sync).values():
            if name.startswith("Async") == (twin == "async") and hasattr(cls, "_native"):
                found += finder.find(cls, f"{twin}.{name}", module=False)
    return [test for test in found if test.examples]


ALL = [test for twin in ("sync", "async", "medorder") for test in examples(twin)]


def test_both_twins_have_the_same_examples() -> None:
    names = [[re.sub(r"^a?sync\.(Async)?", "", test.name) for test in examples(twin)] for twin in ("sync", "async")]
    assert sorted(names[0]) == sorted(names[1]) and len(names[0]) >= 11


@pytest.mark.parametrize("test", ALL, ids=lambda test: test.name)
def test_an_example_of_help_is_true(test: doctest.DocTest, world: Path, order_actor: Any, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    medorder.generate_key_file(own / "root.key")

    async def play() -> None:
        names: dict[str, Any] = {**vars(medorder), "folder": own, "root": order_actor}
        keys = medorder.KeyFile(world / "root.key")
        async with medorder.AsyncOrderService.open(world / "orders.db", keys) as held:
            made = await held.session(order_actor, "north").create_order(
                patient_id="p-1", provider_id="npi-1", service_type="MRI brain", diagnosis_codes=[]
            )
            names["order"] = made
            if test.name.startswith("async"):
                names["service"], names["session"] = held, held.session(order_actor, "north")
                await each(test, names)
        if not test.name.startswith("async"):
            with medorder.OrderService.open(world / "orders.db", keys) as service:
                names["service"], names["session"] = service, service.session(order_actor, "north")
                await each(test, names)

    asyncio.run(play())


async def each(test: doctest.DocTest, names: dict[str, Any]) -> None:
    """Runs examples, which may await at the top, and compares as doctest does."""
    checker = doctest.OutputChecker()
    for example in test.examples:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
            code = compile(example.source, test.name, "single", flags)
            try:
                answer = eval(code, names)
                if inspect.iscoroutine(answer):
                    await answer
            except Exception as error:
                if example.exc_msg is None:
                    raise
                out = io.StringIO(f"{type(error).__module__}.{type(error).__qualname__}: {error}\n")
        want = example.exc_msg if example.exc_msg is not None else example.want
        assert checker.check_output(want, out.getvalue(), OPTIONS), f"{example.source}\n{want}\n{out.getvalue()}"


def test_the_blocks_of_the_readme_run(tmp_path: Path) -> None:
    text = (ROOT / "bindings/python/README.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        alone([sys.executable, "-X", "dev", "-W", "error", "-c", block], tmp_path)
    for name in re.findall(r"`(\w+Error)`", text):
        assert issubclass(getattr(medorder, name, None) or getattr(builtins, name), Exception)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_an_example_prints_what_it_promises(path: Path, tmp_path: Path) -> None:
    printed = alone([sys.executable, "-X", "dev", "-W", "error", path], tmp_path)
    assert printed == path.with_suffix(".txt").read_text()
    lines = path.read_text().splitlines()
    assert 30 <= len(lines) <= 62
    assert {"root.key", "orders.db"} <= set(os.listdir(tmp_path))


def test_a_new_user_is_helped_by_what_is_installed(tmp_path: Path) -> None:
    """In an empty folder, with the wheel alone: the first mistakes print the promised errors, and `help()` tells."""
    assert Path(medorder.__file__).is_relative_to(sys.prefix), "an installed wheel is judged"
    python = [sys.executable, "-c"]
    run = subprocess.run([*python, "import medorder; medorder.KeyFile('root.key')"], capture_output=True, text=True, cwd=tmp_path)
    assert run.stderr.endswith("medorder.UnavailableError: KEY_UNAVAILABLE: the key file cannot be read\n")
    start = (
        "import medorder as m; m.generate_key_file('k'); s = m.OrderService.open('o.db', m.KeyFile('k'));"
        "a = {'user_id': 'u', 'roles': ['requester'], 'territories': ['north'], 'purpose': 'treatment'};"
        "s.session(a, 'north').create_order(patient_id='p-1', servicetype='MRI')"
    )
    run = subprocess.run([*python, start], capture_output=True, text=True, cwd=tmp_path)
    promised = (
        "medorder.ValidationError: VALIDATION_ERROR: the request is invalid: servicetype unknown; "
        "provider_id required; service_type required; diagnosis_codes required\n"
    )
    assert run.stderr.endswith(promised)
    told = alone([*python, "import medorder; help(medorder.Session); help(medorder.OrderService)"], tmp_path)
    for word in ("create_order(", "update_status(", "subscribe(", "patient_id=", "idempotency_key", ">>> ", "open("):
        assert word in told, word
    assert alone([*python, "import medorder; print(medorder.__version__)"], tmp_path) == "0.1.0\n"


def test_asyncio_is_loaded_for_whoever_asks_for_it(tmp_path: Path) -> None:
    """It takes longer to load than all the rest, and a program that blocks has no use for it."""
    text = (
        "import sys, medorder; medorder.OrderService, medorder.CallbackKeys; assert 'asyncio' not in sys.modules\n"
        "assert {*medorder.__all__} <= {*dir(medorder)}\n"
        "try: medorder.AsyncOrderServise\n"
        "except AttributeError as error: print(error)\n"
        "from medorder import *; print(AsyncOrderService)"
    )
    printed = "module 'medorder' has no attribute 'AsyncOrderServise'\n<class 'medorder.AsyncOrderService'>\n"
    assert alone([sys.executable, "-W", "error", "-c", text], tmp_path) == printed


def alone(command: list[Any], folder: Path) -> str:
    """Runs a program in a folder of its own, where nothing of the project is to be found."""
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stderr) == (0, ""), run.stderr
    return run.stdout
