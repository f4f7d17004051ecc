"""The processes of the two ends, as their owner sees them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import fastws

__all__ = ["End"]


class End:
    """A process of ``worker.py``, for the time of a ``with`` block.

    Args:
        end: "publisher" or "subscribers".
    """

    def __init__(self, end: str) -> None:
        home = str(Path(fastws.__file__).parent.parent)
        program = (
            f"import sys; sys.path.append({home!r}); from fastws.measure.transports.worker import work; work({end!r})"
        )
        self._end = end
        self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> End:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def call(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have a command done; what it answers.

        Raises:
            RuntimeError: it went wrong, or the process is gone.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the process of the {self._end} ended while it was to {do}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"the {self._end} could not {do}: {answer['error']}\n{answer['traceback']}")
        return answer
