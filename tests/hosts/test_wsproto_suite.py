"""wsproto's own test suite, which is in its source archive: the same result for every test, plain and accelerated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from archives import source_archive
from suites import check_runs, plain_and_accelerated, run_pytest

if TYPE_CHECKING:
    import pytest


def test_accelerated(tmp_path_factory: pytest.TempPathFactory) -> None:
    # The archive has the package below `src`, so the tests find the one that is installed.
    suite = source_archive("wsproto", tmp_path_factory.mktemp("archive")) / "tests"
    folder = tmp_path_factory.mktemp("suite")
    told = run_pytest(plain_and_accelerated("wsproto"), folder, ["--rootdir", str(folder), str(suite)])
    check_runs(told, "wsproto", passed=200)
