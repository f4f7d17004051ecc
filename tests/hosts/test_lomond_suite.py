"""lomond's own test suite, which is in its source archive: the same result for every test, plain and accelerated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archives import source_archive
from suites import check_runs, plain_and_accelerated, run_pytest

if TYPE_CHECKING:
    import pytest

# The first listens at a port of its own choice; the others need packages that the host has for its tests only.
_LEFT_OUT = ("test_integration.py", "test_live.py", "test_proxy.py", "test_session.py")


def test_accelerated(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("suite")
    tests = source_archive("lomond", tmp_path_factory.mktemp("archive")) / "tests"
    left_out = [f"--ignore={tests / name}" for name in _LEFT_OUT]
    told = run_pytest(plain_and_accelerated("lomond"), folder, ["--rootdir", str(tests), *left_out, str(tests)])
    check_runs(told, "lomond", passed=100)
