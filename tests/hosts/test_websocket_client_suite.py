"""websocket-client's own test suite, which is in its wheel: the same result for every test, plain and accelerated."""

from __future__ import annotations

from typing import Any

import pytest

from live_server import serving
from suites import BACKENDS, Run, check_runs, plain_and_accelerated, run_pytest


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each run told. Some of the tests want a server."""
    folder = tmp_path_factory.mktemp("suite")
    with serving() as url:
        server = {"LOCAL_WS_SERVER_PORT": url.rpartition(":")[2].strip("/")}
        runs = {
            **plain_and_accelerated("websocket-client", **server),
            "plain with wsaccel": Run((), BACKENDS[-1], "offered", server),
            "accelerated with wsaccel": Run(("websocket-client",), BACKENDS[-1], "offered", server),
        }
        return run_pytest(runs, folder, ["--rootdir", str(folder), "--pyargs", "websocket.tests"])


def test_accelerated(told: dict[str, dict[str, Any]]) -> None:
    check_runs(told, "websocket-client", passed=150)


@pytest.mark.parametrize("name", ["plain with wsaccel", "accelerated with wsaccel"])
def test_with_wsaccel_offered(told: dict[str, dict[str, Any]], name: str) -> None:
    """Also where the host finds ``wsaccel`` when it is imported, and that is ours."""
    assert told[name]["outcomes"] == told["plain"]["outcomes"]
