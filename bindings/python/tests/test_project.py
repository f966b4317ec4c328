"""What surrounds the face: the fixtures for other projects, the form of the scenarios, the sdist."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import venv
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]
import pytest

from shared import ROOT

SCENARIOS = [*(ROOT / "tests/conformance/scenarios").glob("*.json"), *(ROOT / "tests/conformance/relay").glob("*.json")]


def test_the_fixtures_serve_another_project(tmp_path: Path) -> None:
    (tmp_path / "test_theirs.py").write_text(
        "def test_one(order_session):\n"
        "    order = order_session.create_order(\n"
        "        patient_id='p-1', provider_id='npi-1', service_type='MRI', diagnosis_codes=[])\n"
        "    assert order_session.order_by_key is not None and order.version == 1\n"
        "def test_two(order_service, order_actor, order_session):\n"
        "    assert order_service.admin(order_actor).territories() == ['north']\n"
        "    assert len(order_session.orders()) == 0, 'each test has a database of its own'\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0 and "2 passed" in run.stdout, run.stdout + run.stderr


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_scenario_has_its_form(path: Path) -> None:
    schema = json.loads((ROOT / "tests/conformance/scenario.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(json.loads(path.read_text()))


def test_the_form_of_scenarios_refuses_what_is_unknown() -> None:
    schema = json.loads((ROOT / "tests/conformance/scenario.schema.json").read_text())
    for wrong in ({"name": "a", "why": "b"}, {"name": "a", "why": "b", "steps": [{"do": "guess"}]}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.Draft202012Validator(schema).validate(wrong)


@pytest.mark.timeout(900)
def test_the_sdist_installs_in_a_clean_place(tmp_path: Path) -> None:
    """`pip install .` of what the sdist holds, in an environment of its own, away from the project."""
    maturin = Path(sys.executable).with_name("maturin")
    manifest = ROOT / "bindings/python/Cargo.toml"
    subprocess.run([maturin, "sdist", "-m", manifest, "-o", tmp_path], check=True, capture_output=True)
    [archive] = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(tmp_path, filter="data")
    [source] = [path for path in tmp_path.iterdir() if path.is_dir()]
    # The archive has one old time for all, by which cargo would take what it built last time for up to date.
    folders = [ROOT / "core", ROOT / "bindings/python/src"]
    files = [ROOT / "Cargo.toml", ROOT / "Cargo.lock", manifest, *(path for one in folders for path in one.rglob("*"))]
    changed = max(path.stat().st_mtime for path in files)
    for path in source.rglob("*"):
        os.utime(path, (changed, changed))
    venv.create(tmp_path / "venv", with_pip=True)
    python = str(tmp_path / "venv/bin/python")
    # A folder of its own, so that other paths to the same crates do not make the project compile them anew.
    config = tomllib.loads((ROOT / ".cargo/config.toml").read_text())
    settings = {
        **config["env"],
        "MATURIN_PEP517_ARGS": "--profile dev",
        "CARGO_TARGET_DIR": str(ROOT / "target/faces/python/sdist"),
        "PATH": f"{maturin.parent}{os.pathsep}{os.environ['PATH']}",
    }
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "."]
    run = subprocess.run(install, cwd=source, env={**os.environ, **settings}, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    example = str(ROOT / "examples/python/story.py")
    (tmp_path / "empty").mkdir()
    run = subprocess.run([python, example], cwd=tmp_path / "empty", capture_output=True, text=True)
    assert (run.stdout, run.stderr) == (Path(example).with_suffix(".txt").read_text(), "")
