"""Helpers of the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import medorder

ROOT = Path(__file__).parents[3]

NEW: medorder.CreateOrderRequest = {
    "patient_id": "p-1",
    "provider_id": "npi-1",
    "service_type": "MRI brain",
    "diagnosis_codes": ["G43.9"],
}

# The first lines of every script that a test runs in a process of its own.
PROLOGUE = """
import os, signal, sys, threading, time
import medorder
ACTOR = {"user_id": "u-test", "roles": ["requester", "verifier", "fulfiller", "auditor", "administrator"],
         "territories": "*", "purpose": "operations"}
NEW = {"patient_id": "p-1", "provider_id": "npi-1", "service_type": "MRI brain", "diagnosis_codes": ["G43.9"]}
KEYS = medorder.KeyFile("root.key")
# Whoever runs the tests in the background of a shell leaves Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
def say(word): print(word, flush=True)
"""


def script(folder: Path, text: str, *, dev: bool = True, **options: Any) -> subprocess.Popen[str]:
    """Starts a script in a folder with a database; `dev` shows every warning."""
    command = [sys.executable, *(["-X", "dev"] if dev else []), "-c", PROLOGUE + text]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True, **options)


def finished(process: subprocess.Popen[str], timeout: float = 60) -> tuple[int, str, str]:
    """Exit code, output and errors of a script."""
    with process:
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, out, err
