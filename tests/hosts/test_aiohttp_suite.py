"""aiohttp's own tests, from its source archive: the same result for every test, plain and accelerated."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from archives import source_archive
from suites import BACKENDS, plain_and_accelerated, run_pytest

if TYPE_CHECKING:
    from pathlib import Path

# What aiohttp's own configuration says, without the plugins that it wants.
_INI = """
[pytest]
empty_parameter_set_mark = xfail
addopts = -m "not dev_mode and not autobahn and not internal"
markers =
  autobahn: with the Autobahn TestSuite
  dev_mode: with Python's development mode
  internal: of no use to packagers
  skip_blockbuster: without blockbuster
xfail_strict = true
"""

# Below the endpoints; and the endpoints, which takes a minute and a half for each run.
_QUICK = ("test_websocket_parser.py", "test_websocket_data_queue.py")
_LONG = ("test_websocket_*.py", "test_client_ws*.py", "test_web_websocket*.py")

# How often tests that differ are run again.
_ATTEMPTS = 3

_READER = "aiohttp._websocket.reader.WebSocketReader.feed_data"
_READER_OF_PYTHON = "aiohttp._websocket.reader_py.WebSocketReader"
_WRITER = "aiohttp._websocket.writer.WebSocketWriter._write_websocket_frame"
_SENDERS = ("aiohttp.client_ws.ClientWebSocketResponse.send_str", "aiohttp.web_ws.WebSocketResponse.send_str")


@pytest.fixture(scope="module")
def tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tests without the package beside them, which would be imported instead of the one that is installed."""
    folder = tmp_path_factory.mktemp("archive")
    shutil.move(source_archive("aiohttp", folder / "unpacked") / "tests", folder / "tests")
    (folder / "pytest.ini").write_text(_INI)
    return folder / "tests"


def run(tests: Path, folder: Path, patterns: tuple[str, ...], extensions: str) -> dict[str, dict[str, Any]]:
    """Run some of the tests plain and with each twin, and see that they do the same.

    Some of them wait for tenths of a second, or fail when garbage of an earlier one is collected in their time: those
    that differ are run again.
    """
    environment = {"AIOHTTP_NO_EXTENSIONS": "" if extensions == "with extensions" else "1"}
    runs = {name: replace(each, environment=environment) for name, each in plain_and_accelerated("aiohttp").items()}
    files = [str(file) for pattern in patterns for file in sorted(tests.glob(pattern))]
    # pytest-asyncio would take aiohttp's own way of running coroutines away.
    arguments = ["-p", "no:asyncio", "-c", str(tests.parent / "pytest.ini"), "--rootdir", str(tests.parent)]
    told = run_pytest(runs, folder / "all", [*arguments, *files], timeout=900)
    for attempt in range(_ATTEMPTS):
        different = [str(tests.parent / test) for test in differing(told)]
        if not different:
            break
        again = run_pytest(runs, folder / f"again-{attempt}", [*arguments, *different], timeout=900)
        for name in told:
            told[name]["outcomes"] |= again[name]["outcomes"]
    assert differing(told) == {}
    assert told["plain"]["hits"] == {}
    for backend in BACKENDS:
        assert told[backend]["backend"] == backend
        # Where aiohttp is compiled the pure twin has nothing that is faster.
        nothing = backend == "python" and extensions == "with extensions"
        assert told[backend]["accelerated"] == ([] if nothing else ["aiohttp"])
    return told


def differing(told: dict[str, dict[str, Any]]) -> dict[str, list[Any]]:
    """The tests that did not do the same in every run, with what they did."""
    tests = {test: None for run in told.values() for test in run["outcomes"]}
    outcomes = {test: [run["outcomes"].get(test) for run in told.values()] for test in tests}
    return {test: done for test, done in outcomes.items() if any(each != done[0] for each in done)}


def hits(told: dict[str, dict[str, Any]], backend: str) -> set[str]:
    return set(told[backend]["hits"])


def passed(told: dict[str, dict[str, Any]]) -> int:
    return sum("call passed" in outcomes for outcomes in told["plain"]["outcomes"].values())


@pytest.mark.parametrize("extensions", ["with extensions", "without extensions"])
def test_reader(tests: Path, tmp_path: Path, extensions: str) -> None:
    told = run(tests, tmp_path, _QUICK, extensions)
    assert passed(told) > 90
    if extensions == "without extensions":
        for backend in BACKENDS:
            assert {f"{_READER_OF_PYTHON}._feed_data", f"{_READER_OF_PYTHON}._handle_frame"} <= hits(told, backend)
    elif "native" in BACKENDS:
        assert _READER in hits(told, "native")


@pytest.mark.long
@pytest.mark.parametrize("extensions", ["with extensions", "without extensions"])
def test_everything_about_websockets(tests: Path, tmp_path: Path, extensions: str) -> None:
    told = run(tests, tmp_path, _LONG, extensions)
    assert passed(told) > 350
    if "native" in BACKENDS:
        assert {_WRITER, *_SENDERS} <= hits(told, "native")
