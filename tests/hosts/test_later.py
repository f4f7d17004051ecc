"""Hosts that a program imports after ``accelerate``: replaced before the program sees them, and only then."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from fastws.hosts.later import unwatch, watch
from fresh import run_python

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a module that can be imported, and was not."""
    name = "watched_module"
    (tmp_path / f"{name}.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield name
    unwatch(name)
    sys.modules.pop(name, None)


def test_told_once_it_is_executed(module: str) -> None:
    told: list[tuple[str, int]] = []
    watch(module, lambda name: told.append((name, sys.modules[name].value)))
    imported = __import__(module)
    assert told == [(module, 1)]
    __import__(module)
    assert told == [(module, 1)]
    del sys.modules[module]
    __import__(module)
    assert told == [(module, 1)] * 2
    # The module has the loader that it would have had, which serves others.
    assert imported.__loader__.get_source(module) == "value = 1\n"  # type: ignore[union-attr]


def test_a_watch_ends(module: str) -> None:
    told: list[str] = []
    before = list(sys.meta_path)
    watch(module, told.append)
    assert sys.meta_path != before
    unwatch(module)
    unwatch(module)
    assert sys.meta_path == before
    __import__(module)
    assert told == []


def test_a_module_that_is_not_there() -> None:
    watch("no_such_module", lambda _: None)
    try:
        with pytest.raises(ModuleNotFoundError, match=r"^No module named 'no_such_module'$"):
            __import__("no_such_module")
    finally:
        unwatch("no_such_module")


def test_a_module_that_fails(module: str, tmp_path: Path) -> None:
    (tmp_path / f"{module}.py").write_text("raise RuntimeError('broken')\n")
    told: list[str] = []
    watch(module, told.append)
    with pytest.raises(RuntimeError, match="broken"):
        __import__(module)
    assert told == []


def test_a_host_is_accelerated_when_it_is_imported() -> None:
    printed = run_python(
        """
        import sys
        import fastws
        fastws.accelerate()
        host = fastws.status().hosts[0]
        print("websocket" in sys.modules, host.reason, host.awaited)
        from websocket import ABNF
        print(ABNF.mask.__code__.co_filename.endswith("websocket_client.py"), fastws.status().hosts[0].awaited)
        fastws.restore()
        print(ABNF.mask.__code__.co_filename.endswith("websocket_client.py"))
        """
    )
    assert printed == "False not imported yet True\nTrue False\nFalse"


def test_importing_after_restore_or_the_block_replaces_nothing() -> None:
    printed = run_python(
        """
        import sys
        import fastws
        before = list(sys.meta_path)
        fastws.accelerate()
        fastws.restore()
        with fastws.accelerated():
            pass
        print(sys.meta_path == before)
        import websocket
        print(websocket.ABNF.mask.__code__.co_filename.endswith("_abnf.py"), fastws.status().hosts[0].reason)
        """
    )
    assert printed == "True\nTrue not asked for"


def test_a_block_accelerates_what_is_imported_within() -> None:
    printed = run_python(
        """
        import fastws
        with fastws.accelerated() as names:
            import websocket
            print(names, websocket.ABNF.mask.__code__.co_filename.endswith("websocket_client.py"))
        print(websocket.ABNF.mask.__code__.co_filename.endswith("_abnf.py"))
        """
    )
    assert printed == "() True\nTrue"


def test_a_late_refusal_is_told_and_does_not_break_the_import() -> None:
    printed = run_python(
        """
        import fastws, fastws.hosts
        from fastws.hosts import websocket_client
        fastws.hosts.tell_late(lambda host: print(host.name, host.accelerated, host.reason))
        websocket_client._KNOWN["_core.WebSocket.recv"] = ()
        fastws.accelerate()
        import websocket
        print(websocket.ABNF.mask.__code__.co_filename.endswith("_abnf.py"))
        """
    )
    reason = "websocket._core.WebSocket.recv is not what the adapter was written against"
    assert printed == f"websocket-client False {reason}\nTrue"


def test_a_late_failure_of_an_adapter_does_not_break_the_import() -> None:
    printed = run_python(
        """
        import fastws, fastws.hosts
        from fastws.hosts import websocket_client
        websocket_client._REPLACED["_core.WebSocket.recv"] = None
        fastws.accelerate()
        import websocket
        print(fastws.status().hosts[0].reason)
        """
    )
    assert printed == "the adapter failed: TypeError(\"'NoneType' object is not callable\")"


def test_threads_that_import_and_accelerate_at_once() -> None:
    printed = run_python(
        """
        import threading
        import fastws
        failures = []

        def run(call):
            try:
                start.wait()
                call()
            except BaseException as error:
                failures.append(error)

        def load():
            import websocket

        calls = [load, fastws.accelerate, lambda: fastws.accelerate("websocket-client"), load, fastws.status]
        start = threading.Barrier(len(calls))
        threads = [threading.Thread(target=run, args=(call,)) for call in calls]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        import websocket
        print(failures, websocket.ABNF.mask.__code__.co_filename.endswith("websocket_client.py"))
        """
    )
    assert printed == "[] True"
