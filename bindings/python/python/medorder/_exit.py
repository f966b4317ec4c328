"""What happens when the interpreter ends: services are closed, then the runtime, each within two seconds."""

from __future__ import annotations

import atexit
import contextlib
import os
from weakref import WeakSet

from . import _core

_PID = os.getpid()
_OPEN: WeakSet[_core.Service] = WeakSet()
_over = False


def remember(service: _core.Service) -> None:
    """A service to be closed if the program does not."""
    _OPEN.add(service)


def over() -> bool:
    """True once the interpreter is on its way out, where nobody forgot to close anything."""
    return _over


def _leave() -> None:
    global _over
    _over = True
    # The child of a fork has none of this: what it inherited is its parent's.
    if os.getpid() == _PID:
        for service in list(_OPEN):
            with contextlib.suppress(Exception):
                service.close(2.0).wait()
        _core.shut_down()
    _core.flush_log()


atexit.register(_leave)
