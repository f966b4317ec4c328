"""Objects of the host on their way to the engine."""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, cast

from . import _core
from ._types import Anchor, Directory, Keys, OpenOptions

if TYPE_CHECKING:
    # Loaded where it is needed, which is where a loop runs.
    import asyncio

# What the engine gives a callback; a coroutine that takes longer is of no use to it.
_DEADLINE = 5.0

# The task of the callback that a task was started in, if it was.
_CALLBACK: ContextVar[asyncio.Task[Any] | None] = ContextVar("medorder_callback", default=None)


def inside() -> bool:
    """True in a coroutine of a callback, where the service must not be called: the engine waits for that coroutine.
    What a callback leaves running behind it is free."""
    callback = _CALLBACK.get()
    return callback is not None and not callback.done()


async def _marked(answer: Awaitable[Any]) -> Any:
    import asyncio

    _CALLBACK.set(asyncio.current_task())
    return await answer


class CallbackKeys:
    """A key provider made of two functions, see `Keys`."""

    __slots__ = ("unwrap", "wrap")

    def __init__(
        self, wrap: Callable[[bytes, bytes], bytes], unwrap: Callable[[bytes, bytes], bytes]
    ) -> None:
        self.wrap = wrap
        self.unwrap = unwrap

    def __repr__(self) -> str:
        return "CallbackKeys(..)"

    def __reduce__(self) -> str:
        raise TypeError("keys cannot be pickled")


class _OnLoop:
    """Calls an object whose methods may answer something to be awaited, which is then awaited on the loop that opened the service."""

    def __init__(self, target: object, names: tuple[str, ...], loop: asyncio.AbstractEventLoop) -> None:
        for name in names:
            setattr(self, name, self._bridged(getattr(target, name), loop))

    @staticmethod
    def _bridged(call: Callable[..., Any], loop: asyncio.AbstractEventLoop) -> Callable[..., Any]:
        import asyncio

        def bridged(*arguments: Any) -> Any:
            answer = call(*arguments)
            if not inspect.isawaitable(answer):
                return answer
            if loop.is_closed():
                if inspect.iscoroutine(answer):
                    answer.close()
                raise RuntimeError("the event loop is closed")
            running = asyncio.run_coroutine_threadsafe(_marked(answer), loop)
            try:
                return running.result(_DEADLINE)
            except TimeoutError:
                running.cancel()
                raise

        return bridged


def keys_of(keys: object, loop: asyncio.AbstractEventLoop | None) -> object:
    """A provider as the engine takes it."""
    if isinstance(keys, _core.KeyFile | _core.EnvKey):
        return keys
    return _checked(keys, ("wrap", "unwrap"), "keys", loop)


def opened_with(
    url: str | os.PathLike[str],
    keys: Keys | _core.KeyFile | _core.EnvKey,
    directory: Directory | None,
    anchor: Anchor | str | os.PathLike[str] | None,
    options: OpenOptions,
    loop: asyncio.AbstractEventLoop | None,
) -> _core.Pending:
    """The opening of a service, not begun. Without a loop its callers block their threads."""
    settings = cast("dict[str, Any]", options)
    if isinstance(anchor, str | os.PathLike):
        settings = {**settings, "anchor_file": os.fspath(anchor)}
        anchor = None
    sink = None if anchor is None else _checked(anchor, ("keep", "newest"), "anchor", loop)
    known = ("territory_exists", "relationship_exists")
    asked = None if directory is None else _checked(directory, known, "directory", loop)
    return _core.open(url, keys_of(keys, loop), asked, sink, settings, loop is None)


def _checked(
    target: object, names: tuple[str, ...], what: str, loop: asyncio.AbstractEventLoop | None
) -> object:
    missing = [name for name in names if not callable(getattr(target, name, None))]
    if missing:
        raise TypeError(f"{what} has no {' and no '.join(missing)}, but is a {type(target).__name__}")
    return target if loop is None else _OnLoop(target, names, loop)
