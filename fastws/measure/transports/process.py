"""The processes of the two ends, as their owner sees them."""

from __future__ import annotations

import json
from typing import Any

from ..process import PythonProcess

__all__ = ["End"]


class End(PythonProcess):
    """A process of ``worker.py``, for the time of a ``with`` block.

    Args:
        end: "publisher" or "subscribers".
    """

    def __init__(self, end: str) -> None:
        super().__init__(f"from fastws.measure.transports.worker import work; work({end!r})")
        self._end = end

    def call(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Have a command done; what it answers.

        Raises:
            RuntimeError: it went wrong, or the process is gone.
        """
        self.write_line(json.dumps({"do": do, **arguments}))
        line = self.read_line()
        if not line:
            raise RuntimeError(f"the process of the {self._end} ended while it was to {do}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"the {self._end} could not {do}: {answer['error']}\n{answer['traceback']}")
        return answer
