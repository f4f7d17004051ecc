"""autobahn's own test suite, which is in its wheel: the same result for every test, plain and accelerated."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING

import pytest

from suites import Run, check_runs, plain_and_accelerated, run_pytest

if TYPE_CHECKING:
    from pathlib import Path

_PROTOCOL = "autobahn.websocket.protocol"

# What the tests of the host do not go through, and a class, whose calls are not counted.
_NOT_HIT = [
    "autobahn.asyncio.websocket.WebSocketAdapterProtocol._onMessage",
    "autobahn.twisted.websocket.WebSocketAdapterProtocol.dataReceived",
    f"{_PROTOCOL}.Utf8Validator",
]


@pytest.mark.parametrize(
    ("framework", "nvx", "tests", "passed", "not_hit"),
    [
        ("TWISTED", "", ["websocket.test", "nvx.test", "twisted.test.test_tx_protocol"], 98, []),
        ("TWISTED", "0", ["websocket.test", "nvx.test"], 69, []),
        ("ASYNCIO", "0", ["asyncio.test.test_aio_websocket"], 4, [f"{_PROTOCOL}.WebSocketProtocol.sendFrame"]),
    ],
)
def test_accelerated(
    framework: str, nvx: str, tests: list[str], passed: int, not_hit: list[str], tmp_path: Path
) -> None:
    """On both frameworks, with NVX where it is built, and without."""
    environment = {f"USE_{framework}": "1", "AUTOBAHN_USE_NVX": nvx}
    runs = {
        name: Run(run.hosts, run.backend, environment=environment)
        for name, run in plain_and_accelerated("autobahn").items()
    }
    found = importlib.util.find_spec("autobahn")
    assert found is not None
    assert found.submodule_search_locations is not None
    (root,) = found.submodule_search_locations
    modules = [f"autobahn.{name}" for name in tests]
    # One test needs a plugin that pytest does not bring.
    told = run_pytest(runs, tmp_path, ["--rootdir", root, "-k", "not test_echo_async", "--pyargs", *modules])
    check_runs(told, "autobahn", passed=passed, not_hit=[*_NOT_HIT, *not_hit])
