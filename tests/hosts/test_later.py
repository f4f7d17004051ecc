"""Hosts that a program imports after ``accelerate``: replaced before the program sees them, and only then."""

from __future__ import annotations

import os
import pickle
import sys
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

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


# Loaders and finders of others ----------------------------------------------------------------------------------------


def test_the_loader_is_left_as_it_was(module: str) -> None:
    """Also by the time that the module is executed, which may look at it."""
    watch(module, lambda _: None)
    loader: Any = __import__(module).__loader__
    assert "exec_module" not in vars(loader)
    assert pickle.loads(pickle.dumps(loader)) == loader  # noqa: S301 - what was just made


class _Legacy(Loader):
    """A loader as they were before ``exec_module``."""

    def load_module(self, fullname: str) -> ModuleType:
        module = sys.modules[fullname] = ModuleType(fullname)
        module.__loader__ = self
        return module


class _Closed(Loader):
    """A loader that takes no attributes."""

    def create_module(self, spec: ModuleSpec) -> None:
        """Leave that to the interpreter."""

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["value"] = 2

    def __setattr__(self, name: str, value: object) -> None:
        raise PermissionError(name)


@pytest.mark.parametrize("loader", [_Legacy, _Closed])
@pytest.mark.filterwarnings("ignore::ImportWarning", "ignore::DeprecationWarning")
def test_a_loader_that_cannot_tell_is_left_alone(
    module: str, loader: type[Loader], monkeypatch: pytest.MonkeyPatch
) -> None:
    if loader is _Legacy and sys.version_info >= (3, 15):
        loader = _Closed

    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> ModuleSpec | None:
            return ModuleSpec(name, loader()) if name == module else None

    told: list[str] = []
    monkeypatch.setattr(sys, "meta_path", [Finder, *sys.meta_path])
    watch(module, told.append)
    try:
        assert type(__import__(module).__loader__) is loader
    finally:
        unwatch(module)
    assert told == []


def test_a_failing_teller_does_not_break_the_import() -> None:
    printed = run_python(
        """
        import fastws, fastws.hosts
        fastws.hosts.tell_late(lambda host: 1 / 0)
        fastws.accelerate()
        import websocket
        print(fastws.status().hosts[0].accelerated)
        """
    )
    assert printed == "True"


def test_a_finder_that_stands_before_is_seen() -> None:
    printed = run_python(
        """
        import sys
        from importlib.machinery import PathFinder
        import fastws, fastws.hosts

        class Finder:
            find_spec = staticmethod(lambda *arguments: PathFinder.find_spec(*arguments))

        fastws.accelerate()
        sys.meta_path.insert(0, Finder)
        print(fastws.hosts.unnoticed())
        import websocket
        print(fastws.hosts.unnoticed(), fastws.status().hosts[0].reason)
        fastws.accelerate()
        print(fastws.hosts.unnoticed(), fastws.status().hosts[0].reason)
        """
    )
    reason = "imported by a finder that stands before fastws's; accelerate() replaces it"
    assert printed == f"()\n('websocket-client',) {reason}\n() None"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot fork here")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_child_forked_while_a_thread_accelerates_can_accelerate() -> None:
    printed = run_python(
        """
        import os, sys, threading, time, warnings
        warnings.simplefilter("ignore")
        import fastws, websocket
        # A child cannot import what a thread was importing when it was forked, whoever does that.
        fastws.accelerate("websocket-client")
        stop = threading.Event()

        def switch():
            while not stop.is_set():
                fastws.accelerate("websocket-client")
                fastws.restore()

        thread = threading.Thread(target=switch)
        thread.start()
        ended = []
        for _ in range(20):
            child = os.fork()
            if not child:
                fastws.accelerate("websocket-client")
                os._exit(0)
            ended.append(os.waitpid(child, 0)[1])
        stop.set()
        thread.join()
        print(set(ended))
        """
    )
    assert printed == "{0}"
