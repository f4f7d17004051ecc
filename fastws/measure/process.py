"""A process of this interpreter, with this fastws, that ends when its input does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import fastws

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["PythonProcess"]


class PythonProcess:
    """A program for the time of a ``with`` block, or until ``stop``; what it says and is told are lines.

    Args:
        program: Python; it is to end at the end of its input.

    Attributes:
        pid: of the process.
    """

    def __init__(self, program: str) -> None:
        home = str(Path(fastws.__file__).parent.parent)
        self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, "-c", f"import sys; sys.path.append({home!r}); {program}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the process, and wait for it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def write_line(self, line: str) -> None:
        """Tell it something."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def read_line(self) -> str:
        """What it says next; "" where it has ended."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()
