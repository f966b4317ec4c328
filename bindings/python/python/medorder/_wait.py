"""How the sync twin makes a call: on the caller's thread, without the GIL, open to Ctrl-C."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from . import _core

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")


def running_loop() -> asyncio.AbstractEventLoop | None:
    """None: callbacks are called as they are."""
    return None


def run(pending: _core.Pending, progress: Any = None) -> Any:
    """Makes a call and waits for its answer."""
    return pending.wait(progress)


def opening(opened: T) -> T:
    """What is opened is open."""
    return opened


following = opening


class Reader:
    """The reading end of a subscription."""

    _native: _core.Subscription

    def _take(self, timeout: float | None) -> Any:
        return self._native.next(timeout).wait()
