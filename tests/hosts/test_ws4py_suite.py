"""ws4py's own test suite, which is in its source archive: the same result for every test, plain and accelerated."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

from archives import source_archive
from suites import check_runs, plain_and_accelerated, run_pytest

if TYPE_CHECKING:
    import pytest


def test_suite(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("suite")
    tests = source_archive("ws4py", tmp_path_factory.mktemp("archive")) / "test"
    arguments = ["--rootdir", str(tests), str(tests)]
    if importlib.util.find_spec("cherrypy") is None:
        arguments += ["--ignore", str(tests / "test_cherrypy.py")]
    told = run_pytest(plain_and_accelerated("ws4py"), folder, arguments)
    check_runs(told, "ws4py", passed=115, not_hit=["ws4py.messaging.Message.__str__"])
