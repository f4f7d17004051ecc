"""The command line: ``python -m fastws status | run | bench | serve | connect``, each command in a file of its own.

A command is imported when it is asked for, so that ``run`` loads nothing that the program did not ask for.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["PROGRAM", "main"]

#: How the commands call themselves in their messages.
PROGRAM: Final = "python -m fastws"

_USAGE: Final = f"""\
usage: {PROGRAM} COMMAND …

  status   what runs here: backend, CPU kernel, and which host libraries can be accelerated
  run      run a program with accelerated host libraries, as python would run it
  bench    measure on this machine
  serve    an echo server, or one that pushes, with a page to open in a browser
  connect  lines out, messages in

{PROGRAM} COMMAND --help tells more.
"""


def _status(arguments: Sequence[str]) -> int:
    from .status import main as status

    return _until_nobody_reads(status, arguments)


def _run(arguments: Sequence[str]) -> int:
    from .run import main as run

    return run(arguments)


def _bench(arguments: Sequence[str]) -> int:
    from .bench import main as bench

    return _until_nobody_reads(bench, arguments)


def _until_nobody_reads(command: Callable[[Sequence[str]], int], arguments: Sequence[str]) -> int:
    """Run a command whose reader may leave, such as ``head``: it ends, without a traceback."""
    try:
        status = command(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # What is still in the buffer must not fail again when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return status


def _serve(arguments: Sequence[str]) -> int:
    from .serve import main as serve

    return serve(arguments)


def _connect(arguments: Sequence[str]) -> int:
    from .connect import main as connect

    return _until_nobody_reads(connect, arguments)


_COMMANDS: Final[dict[str, Callable[[Sequence[str]], int]]] = {
    "status": _status,
    "run": _run,
    "bench": _bench,
    "serve": _serve,
    "connect": _connect,
}


def main(arguments: Sequence[str]) -> int:
    """Run a command.

    Args:
        arguments: what stands on the command line after ``python -m fastws``.
    Returns: the exit status; 2 where the command line is wrong.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_USAGE, end="", file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        from .. import __version__

        print(f"fastws {__version__}")
        return 0
    command = _COMMANDS.get(arguments[0])
    if command is None:
        print(f"{PROGRAM}: unknown command {arguments[0]!r}; commands: {', '.join(_COMMANDS)}", file=sys.stderr)
        return 2
    return command(arguments[1:])
