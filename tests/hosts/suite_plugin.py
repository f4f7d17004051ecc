"""A pytest plugin for a host's own suite: accelerates the host first, and writes down what every test did.

``FASTWS_SUITE`` is JSON: ``hosts`` to accelerate, ``wsaccel`` ("blocked", "offered" by fastws, or "as installed"), the
``report`` to write. See ``suites.py``.
"""

from __future__ import annotations

import gc
import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fastws
import fastws.hosts
from fastws.hosts import wsaccel

if TYPE_CHECKING:
    import pytest

_ORDER: dict[str, Any] = json.loads(os.environ["FASTWS_SUITE"])
_outcomes: defaultdict[str, list[str]] = defaultdict(list)

if _ORDER["wsaccel"] == "offered":
    wsaccel.install()
elif _ORDER["wsaccel"] == "blocked":
    for name in ("wsaccel", "wsaccel.xormask", "wsaccel.utf8validator"):
        sys.modules[name] = None  # type: ignore[assignment]

_accelerated = fastws.hosts.accelerate(*_ORDER["hosts"]) if _ORDER["hosts"] else ()


def pytest_collection_finish() -> None:
    """Some hosts collect garbage after each of their tests; what is there by now is none."""
    gc.freeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or report.outcome != "passed":
        _outcomes[report.nodeid].append(f"{report.when} {report.outcome}")


def pytest_sessionfinish() -> None:
    told = {
        "outcomes": _outcomes,
        "hits": fastws.hosts.seam_hits(),
        "accelerated": _accelerated,
        "backend": fastws.backend_name(),
    }
    Path(_ORDER["report"]).write_text(json.dumps(told))
