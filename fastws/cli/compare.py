"""Runs a program plain and accelerated in turn, and tells how long each took."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from . import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["compare"]

# Seconds of waiting for the end of standard input before the user is told about it.
_PATIENCE = 1.0


@dataclass(frozen=True)
class _Run:
    """One run of the program; wall and cpu in seconds."""

    status: int
    wall: float
    cpu: float


def compare(head: Sequence[str], words: Sequence[str]) -> int:
    """Run a program twice, each time in a process of its own; times go to standard error.

    Both runs get the same standard input. Output of both goes where this process's goes.

    Args:
        head: options of ``run`` for the accelerated one.
        words: the program and its arguments, as ``Program`` takes them.
    Returns: the exit status of the accelerated run; 128 more than the number of a signal that ended it.
    """
    python = [sys.executable, *_interpreter_options()]
    with _standard_input() as stdin:
        plain = _run("plain", [*python, *words], stdin)
        accelerated = _run("accelerated", [*python, "-m", "fastws", "run", *head, "--", *words], stdin)
    _tell(f"{_ratio(plain.wall, accelerated.wall)} by the clock{_cpu_ratio(plain, accelerated)}, start-up included")
    if plain.status != accelerated.status:
        _tell(f"the exit statuses differ: {plain.status} plain, {accelerated.status} accelerated")
    return accelerated.status if accelerated.status >= 0 else 128 - accelerated.status


def _interpreter_options() -> list[str]:
    """The options that this interpreter was given, such as ``-W error``."""
    before = sys.orig_argv[: len(sys.orig_argv) - len(sys.argv) + 1]
    if before[-1].startswith("-") and before[-1].endswith("mfastws"):
        before[-1:] = [before[-1].removesuffix("fastws"), "fastws"]
    if before[-1:] != ["fastws"] or not before[-2].endswith("m"):
        return []
    return [*before[1:-2], *([before[-2][:-1]] if before[-2] != "-m" else [])]


def _run(label: str, command: Sequence[str], stdin: IO[bytes] | None) -> _Run:
    if stdin is not None:
        stdin.seek(0)
    sys.stdout.flush()
    wall, cpu = time.perf_counter(), _children_cpu()
    status = subprocess.call(command, stdin=stdin)  # noqa: S603 - what the user asked to run
    run = _Run(status, time.perf_counter() - wall, _children_cpu() - cpu)
    cpu_told = f", {run.cpu:.3f} s of CPU time" if run.cpu else ""
    _tell(f"{label + ':':12} {run.wall:.3f} s{cpu_told}")
    return run


def _children_cpu() -> float:
    """Seconds of CPU time of the processes that have ended; 0 where the system does not tell."""
    times = os.times()
    return times.children_user + times.children_system


def _ratio(plain: float, accelerated: float) -> str:
    return f"{plain / accelerated:.2f}x as fast"


def _cpu_ratio(plain: _Run, accelerated: _Run) -> str:
    return f", {_ratio(plain.cpu, accelerated.cpu)} by CPU time" if plain.cpu and accelerated.cpu else ""


@contextmanager
def _standard_input() -> Iterator[IO[bytes] | None]:
    """A file that both runs can read from its start; None where they share a terminal, or where there is no input."""
    if sys.stdin is None or sys.stdin.closed or sys.stdin.isatty():
        yield None
        return
    with tempfile.TemporaryFile() as copy:
        waiting = threading.Timer(_PATIENCE, _tell, ["reading standard input to its end, so that both runs get it"])
        waiting.daemon = True
        if not stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode):
            waiting.start()
        shutil.copyfileobj(sys.stdin.buffer, copy)
        waiting.cancel()
        yield copy


def _tell(text: str) -> None:
    print(f"{PROGRAM} run: {text}", file=sys.stderr, flush=True)
