"""Runs modules of tornado's own test suite with its own runner, and writes down what every test did.

pytest cannot run it: the tests look at what is logged. ``FASTWS_SUITE`` is as for ``suite_plugin``, whose work this
does; the arguments are the names of the modules.
"""

from __future__ import annotations

import json
import os
import sys
import unittest
from collections import defaultdict
from pathlib import Path
from typing import Any

import fastws
import fastws.hosts

_ORDER: dict[str, Any] = json.loads(os.environ["FASTWS_SUITE"])
_outcomes: defaultdict[str, list[str]] = defaultdict(list)


class _Result(unittest.TextTestResult):
    def addSuccess(self, test: unittest.TestCase) -> None:  # noqa: N802
        super().addSuccess(test)
        _outcomes[test.id()].append("call passed")

    def addSkip(self, test: unittest.TestCase, reason: str) -> None:  # noqa: N802
        super().addSkip(test, reason)
        _outcomes[test.id()].append("call skipped")

    def addFailure(self, test: unittest.TestCase, error: Any) -> None:  # noqa: N802
        super().addFailure(test, error)
        _outcomes[test.id()].append("call failed")

    def addError(self, test: unittest.TestCase, error: Any) -> None:  # noqa: N802
        super().addError(test, error)
        _outcomes[test.id()].append("call error")


def _runner(stream: Any) -> type[unittest.TextTestRunner]:
    """What the suite's own program runs its tests with; the program looks at what was logged and written to stderr."""

    class Runner(unittest.TextTestRunner):
        def __init__(self, **options: Any) -> None:
            super().__init__(stream=stream, resultclass=_Result, **options)  # type: ignore[arg-type]

    return Runner


def main() -> None:
    accelerated = fastws.hosts.accelerate(*_ORDER["hosts"]) if _ORDER["hosts"] else ()
    from tornado.test import runtests

    vars(runtests)["test_runner_factory"] = _runner
    status = 1
    try:
        runtests.main()  # type: ignore[no-untyped-call]
    except SystemExit as exit_:
        status = int(exit_.code or 0)
    told = {
        "outcomes": {**_outcomes, "exit status": [str(status)]},
        "hits": fastws.hosts.seam_hits(),
        "accelerated": accelerated,
        "backend": fastws.backend_name(),
    }
    Path(_ORDER["report"]).write_text(json.dumps(told))
    sys.exit(status)


if __name__ == "__main__":
    main()
