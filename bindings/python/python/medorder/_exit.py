"""What happens when the interpreter ends: services are closed, then the runtime, each within two seconds."""

from __future__ import annotations

import atexit
import contextlib
import os
from weakref import WeakKeyDictionary

from . import _core

# Each with the process that opened it: what the child of a fork inherited is its parent's.
_OPEN: WeakKeyDictionary[_core.Service, int] = WeakKeyDictionary()
_over = False


def remember(service: _core.Service) -> None:
    """A service to be closed if the program does not."""
    _OPEN[service] = os.getpid()


def over() -> bool:
    """True once the interpreter is on its way out, where nobody forgot to close anything."""
    return _over


def _leave() -> None:
    global _over
    _over = True
    for service, opener in list(_OPEN.items()):
        if opener == os.getpid():
            with contextlib.suppress(Exception):
                service.close(2.0).wait()
    _core.shut_down()
    _core.flush_log()


atexit.register(_leave)
