"""websocket-client's own test suite, which is in its wheel: the same result for every test, plain and accelerated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import fastws
from fastws.hosts.websocket_client import HOST
from live_server import serving

_BACKENDS = ["python"] if fastws.backend_name() == "python" else ["python", "native"]


# name → hosts to accelerate, twin, what the host finds as wsaccel
_RUNS: dict[str, tuple[tuple[str, ...], str, str]] = {
    "plain": ((), "python", "blocked"),
    **{backend: (("websocket-client",), backend, "blocked") for backend in _BACKENDS},
    "plain with wsaccel": ((), _BACKENDS[-1], "offered"),
    "accelerated with wsaccel": (("websocket-client",), _BACKENDS[-1], "offered"),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What each run of the suite told. They run side by side, as they mostly wait, with a server for who wants one."""
    folders = {name: tmp_path_factory.mktemp("suite") for name in _RUNS}
    with serving() as url:
        processes = {name: _start(folder, url, *_RUNS[name]) for name, folder in folders.items()}
        try:
            outputs = {name: process.communicate(timeout=250)[0] for name, process in processes.items()}
        finally:
            for process in processes.values():
                process.kill()
    for name, process in processes.items():
        assert process.returncode == 0, f"{name}:\n{outputs[name]}"
    return {name: json.loads((folder / "report.json").read_text()) for name, folder in folders.items()}


def _start(folder: Path, url: str, hosts: tuple[str, ...], backend: str, wsaccel: str) -> subprocess.Popen[str]:
    """One run of the suite, in a process of its own."""
    order = {"hosts": hosts, "wsaccel": wsaccel, "report": str(folder / "report.json")}
    paths = [str(Path(fastws.__file__).parent.parent), str(Path(__file__).parent)]
    environment = {
        **os.environ,
        "FASTWS_COUNT_SEAMS": "1",
        "FASTWS_NO_EXTENSIONS": "1" if backend == "python" else "",
        "FASTWS_SUITE": json.dumps(order),
        "LOCAL_WS_SERVER_PORT": url.rpartition(":")[2].strip("/"),
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTEST_ADDOPTS": "",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-p", "suite_plugin", "-p", "no:cacheprovider"]
    command += ["--rootdir", str(folder), "--pyargs", "websocket.tests"]
    return subprocess.Popen(  # noqa: S603
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def test_the_plain_suite_is_plain(told: dict[str, dict[str, Any]]) -> None:
    plain = told["plain"]
    assert plain["accelerated"] == []
    assert plain["hits"] == {}
    assert sum("call passed" in outcomes for outcomes in plain["outcomes"].values()) > 150


@pytest.mark.parametrize("backend", _BACKENDS)
def test_accelerated(told: dict[str, dict[str, Any]], backend: str) -> None:
    accelerated = told[backend]
    assert accelerated["backend"] == backend
    assert accelerated["accelerated"] == ["websocket-client"]
    assert accelerated["outcomes"] == told["plain"]["outcomes"]
    assert set(HOST.replaces) <= set(accelerated["hits"])


@pytest.mark.parametrize("name", ["plain with wsaccel", "accelerated with wsaccel"])
def test_with_wsaccel_offered(told: dict[str, dict[str, Any]], name: str) -> None:
    """Also where the host finds ``wsaccel`` when it is imported, and that is ours."""
    assert told[name]["outcomes"] == told["plain"]["outcomes"]
