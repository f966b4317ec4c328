"""Where the engine's diagnostics go: `logging.getLogger("medorder")`, silent unless the program sets it up."""

import logging

LOGGER = logging.getLogger("medorder")
LOGGER.addHandler(logging.NullHandler())


def emit(level: int, line: str) -> None:
    LOGGER.log(level, "%s", line)
