"""eventlet's own tests of its websocket module: the same result for every test, plain and accelerated."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from archives import source_archive
from suites import check_runs, plain_and_accelerated, run_pytest

if TYPE_CHECKING:
    import pytest


def test_accelerated(tmp_path_factory: pytest.TempPathFactory) -> None:
    # Away from the package that lies beside them.
    root = tmp_path_factory.mktemp("eventlet")
    shutil.copytree(source_archive("eventlet", root / "archive") / "tests", root / "copy" / "tests")
    files = [str(root / "copy" / "tests" / name) for name in ("websocket_new_test.py", "websocket_test.py")]
    # What resolves names for it does not bear every other package.
    runs = plain_and_accelerated("eventlet", EVENTLET_NO_GREENDNS="yes")
    told = run_pytest(runs, root / "suite", ["--rootdir", str(root / "copy"), "--import-mode=prepend", *files])
    check_runs(told, "eventlet", passed=40, native_only=["eventlet.websocket.RFC6455WebSocket._pack_message"])
