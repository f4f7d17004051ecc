"""tornado's own test suite, which is in its wheel: the same result for every test, plain and accelerated.

The modules that are run are those which go through what is replaced: WebSocket, and the streams below HTTP.
"""

from __future__ import annotations

from pathlib import Path

from suites import check_runs, plain_and_accelerated, run_program

_MODULES = ("tornado.test.websocket_test", "tornado.test.iostream_test")


def test_accelerated(tmp_path: Path) -> None:
    program = Path(__file__).with_name("tornado_suite.py")
    # Some tests move many megabytes, in five seconds unless told otherwise.
    runs = plain_and_accelerated("tornado", ASYNC_TEST_TIMEOUT="60")
    told = run_program(runs, tmp_path, [str(program), *_MODULES])
    # The pure twin leaves a compiled mask to the host.
    check_runs(told, "tornado", passed=200, not_hit=["tornado.util._websocket_mask"])
