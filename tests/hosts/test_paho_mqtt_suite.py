"""paho-mqtt's own tests of its WebSocket: the same result for every test, plain and accelerated."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from archives import source_archive
from suites import check_runs, plain_and_accelerated, run_pytest

if TYPE_CHECKING:
    from pathlib import Path

# A frame is built where it is sent, and no test waits for an answer or publishes anything.
_NOT_HIT = (
    "paho.mqtt.client._WebsocketWrapper._create_frame",
    "paho.mqtt.client._WebsocketWrapper._recv_impl",
    "paho.mqtt.client.Client.publish",
    "paho.mqtt.client.Client._send_publish",
)


@pytest.fixture(scope="module")
def tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder ``tests`` of the archive, away from the package that lies beside it."""
    folder = tmp_path_factory.mktemp("paho")
    root = source_archive("paho-mqtt", folder / "archive")
    shutil.copytree(root / "tests", folder / "copy" / "tests")
    return folder / "copy" / "tests"


def test_websockets(tests: Path, tmp_path: Path) -> None:
    files = [str(tests / name) for name in ("test_websockets.py", "test_websocket_integration.py")]
    arguments = ["--rootdir", str(tests.parent), "--import-mode=prepend", *files]
    told = run_pytest(plain_and_accelerated("paho-mqtt"), tmp_path, arguments)
    check_runs(told, "paho-mqtt", passed=20, not_hit=_NOT_HIT)
