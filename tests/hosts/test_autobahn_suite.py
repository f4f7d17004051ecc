"""autobahn's own test suite, which is in its wheel: the same result for every test, plain and accelerated."""

from __future__ import annotations

import importlib.util
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from suites import check_runs, plain_and_accelerated, run_pytest

if TYPE_CHECKING:
    from pathlib import Path

_PROTOCOL = "autobahn.websocket.protocol"

# What the tests of the host do not go through, and a class, whose calls are not counted.
_NOT_HIT = [
    "autobahn.asyncio.websocket.WebSocketAdapterProtocol._onMessage",
    "autobahn.twisted.websocket.WebSocketAdapterProtocol.dataReceived",
    f"{_PROTOCOL}.Utf8Validator",
]


# Framework, whether NVX is used, tests, how many of them pass in the oldest release that is tried here, what they do
# not go through.
_RUNS: list[tuple[str, str, list[str], int, list[str]]] = [
    ("TWISTED", "", ["websocket.test", "nvx.test", "twisted.test.test_tx_protocol"], 60, []),
    ("TWISTED", "0", ["websocket.test", "nvx.test"], 40, []),
]
if int(version("autobahn").split(".")[0]) >= 25:
    # Before that, the tests for asyncio need a plugin that pytest does not bring.
    not_sent = [f"{_PROTOCOL}.WebSocketProtocol.sendFrame"]
    _RUNS.append(("ASYNCIO", "0", ["asyncio.test.test_aio_websocket"], 4, not_sent))


@pytest.mark.parametrize(("framework", "nvx", "tests", "passed", "not_hit"), _RUNS)
def test_accelerated(
    framework: str, nvx: str, tests: list[str], passed: int, not_hit: list[str], tmp_path: Path
) -> None:
    """On both frameworks, with NVX where it is built, and without."""
    runs = plain_and_accelerated("autobahn", **{f"USE_{framework}": "1", "AUTOBAHN_USE_NVX": nvx})
    found = importlib.util.find_spec("autobahn")
    assert found is not None
    assert found.submodule_search_locations is not None
    (root,) = found.submodule_search_locations
    modules = [f"autobahn.{name}" for name in tests]
    # One test needs a plugin that pytest does not bring.
    told = run_pytest(runs, tmp_path, ["--rootdir", root, "-k", "not test_echo_async", "--pyargs", *modules])
    check_runs(told, "autobahn", passed=passed, not_hit=[*_NOT_HIT, *not_hit])
