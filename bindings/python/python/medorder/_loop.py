"""How the async twin makes a call: on the engine's own runtime, which wakes the event loop through a socket.

No thread of the runtime ever touches Python, so none can get in the way of an interpreter that shuts down, and many
answers come with one wake-up. Needs `loop.add_reader`: asyncio's selector loops and uvloop have it, Windows'
proactor loop has not.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from weakref import WeakKeyDictionary

from . import _core
from ._errors import of
from ._host import inside

if TYPE_CHECKING:
    from ._async import AsyncSubscription

T = TypeVar("T")

Progress = Callable[[int, int], object]

# How often a progress callback may hear something, in seconds.
_STEP = 0.05


class _Bridge:
    """What one event loop waits for. Knows no loop, so that a loop that is done can go."""

    __slots__ = ("native", "waiting")

    def __init__(self) -> None:
        self.native = _core.Bridge()
        self.waiting: dict[int, asyncio.Future[Any]] = {}

    def wake(self) -> None:
        """Hands out what is done."""
        for number in self.native.drain():
            future = self.waiting.pop(number, None)
            if future is None or future.done():
                self.native.cancel(number)
                continue
            try:
                future.set_result(self.native.answer(number))
            except BaseException as error:  # noqa: BLE001 - it is the awaiting task's, whatever it is
                future.set_exception(error)


class _Bridges(threading.local):
    def __init__(self) -> None:
        self.by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Bridge] = WeakKeyDictionary()


_BRIDGES = _Bridges()


def running_loop() -> asyncio.AbstractEventLoop:
    """The loop that callbacks with coroutine functions run on."""
    return asyncio.get_running_loop()


async def run(
    pending: _core.Pending,
    progress: Progress | None = None,
    undo: Callable[[], object] | None = None,
) -> Any:
    """Makes a call and awaits its answer. A task that is cancelled ends the call; `undo` is for an answer that came
    but that the task does not live to see."""
    _core.check_process()
    if inside():
        raise of("CLOSED", "the service cannot be called from inside one of its callbacks", "{}")
    loop = asyncio.get_running_loop()
    bridge = _BRIDGES.by_loop.get(loop)
    if bridge is None:
        bridge = _BRIDGES.by_loop[loop] = _Bridge()
        loop.add_reader(bridge.native.fileno(), bridge.wake)
    number = bridge.native.start(pending)
    future = bridge.waiting[number] = loop.create_future()
    try:
        while progress is not None and not future.done():
            await asyncio.wait([future], timeout=_STEP)
            step = pending.steps()
            if step is not None:
                progress(*step)
        return await future
    except asyncio.CancelledError:
        if undo is not None and future.done() and not future.cancelled() and future.exception() is None:
            undo()
        raise
    finally:
        if bridge.waiting.pop(number, None) is not None:
            bridge.native.cancel(number)


class Opening(Generic[T]):
    """Something that is being opened: `await` it, or use it in `async with`."""

    __slots__ = ("_coroutine", "_opened")

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        self._coroutine = coroutine

    def __await__(self) -> Generator[Any, Any, T]:
        return self._coroutine.__await__()

    async def __aenter__(self) -> T:
        opened: Any = await self._coroutine
        self._opened = opened
        return cast(T, await opened.__aenter__())

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.__aexit__(kind, error, trace)


class Following(Opening["AsyncSubscription"]):
    """A subscription that is being opened: `await` it, use it in `async with`, or straight in `async for`."""

    __slots__ = ()

    async def __aiter__(self) -> AsyncIterator[_core.OrderEvent]:
        async with self as subscription:
            async for event in subscription:
                yield event


def opening(coroutine: Coroutine[Any, Any, T]) -> Opening[T]:
    """A service that is being opened."""
    return Opening(coroutine)


def following(coroutine: Coroutine[Any, Any, AsyncSubscription]) -> Following:
    """A subscription that is being opened."""
    return Following(coroutine)


class Reader:
    """The reading end of a subscription."""

    _native: _core.Subscription
    _reading = False

    async def _take(self, timeout: float | None) -> Any:
        if self._reading:
            raise RuntimeError("another task waits for the next event of this subscription")
        self._reading = True
        try:
            return await run(self._native.next(timeout), undo=self._native.put_back)
        finally:
            self._reading = False
