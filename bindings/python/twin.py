"""Makes the sync twin from the async one: `python twin.py` writes `_sync.py`, `python twin.py --check` compares."""

import re
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent / "python/medorder"

RULES = [
    (r"async (def|with|for)\b", r"\1"),
    (r"\bawait ", ""),
    (r"Opening\[Async(\w+)\]", r"\1"),
    (r"-> Following:", "-> Subscription:"),
    (r"from \._loop import .*", "from ._wait import Reader, following, opening, run, running_loop"),
    (r"StopAsyncIteration", "StopIteration"),
    (r"__a(enter|exit|iter|next)__", r"__\1__"),
    (r"\bAsyncIterator\b", "Iterator"),
    (r"\b([aA])n Async(?=[A-Z])", r"\1 "),
    (r"\bAsync(?=[A-Z])", ""),
    (r"\bevery task and thread\b", "every thread"),
]
HEAD = '"""The handles for programs that block. Made from `_async.py` by `twin.py`: change that one."""\n'


def made() -> str:
    text = (PACKAGE / "_async.py").read_text()
    text = HEAD + text.split('"""\n', 1)[1]
    for pattern, replacement in RULES:
        text = re.sub(pattern, replacement, text)
    # `a OrderService` is no English.
    return re.sub(r"\b([aA]) (?=(Order|Audit|Admin)[A-Za-z]* (cannot|is))", r"\1n ", text)


if __name__ == "__main__":
    path = PACKAGE / "_sync.py"
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if path.read_text() == made() else "_sync.py is not what twin.py makes of _async.py")
    path.write_text(made())
