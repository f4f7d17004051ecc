"""autobahn over real sockets, on both frameworks: programs give the same, plain and run by ``python -m fastws run``."""

from __future__ import annotations

import os

import pytest

from live_server import serving
from suites import BACKENDS
from test_programs import MESSAGES, echoed, ended, started

_ACCELERATE = ["-m", "fastws", "run", "--verbose", "--"]

_frameworks = pytest.mark.parametrize("framework", ["asyncio", "twisted"])


@_frameworks
def test_echo(framework: str) -> None:
    program = f"autobahn_{framework}.py"
    with started([program]) as server:
        plain = [echoed(server.url, compression=compression) for compression in ("deflate", None)]
    assert plain[0] == plain[1]
    assert plain[0][1 : len(MESSAGES) + 1] == MESSAGES
    assert plain[0][-2:] == [4001, "asked to"]
    with started([*_ACCELERATE, program]) as server:
        assert [echoed(server.url, compression=compression) for compression in ("deflate", None)] == plain
    assert server.says_accelerated("autobahn")


@_frameworks
def test_client(framework: str) -> None:
    with serving() as url:
        command = ["autobahn_client.py", framework, url]
        plain, _ = ended(command)
        assert plain.splitlines()[-1].startswith("True 1000")
        for backend in BACKENDS:
            twin = {"FASTWS_NO_EXTENSIONS": "1" if backend == "python" else "", "AUTOBAHN_USE_NVX": "0"}
            accelerated, errors = ended([*_ACCELERATE, *command], {**os.environ, **twin})
            assert accelerated == plain
            assert "run: autobahn" in errors
