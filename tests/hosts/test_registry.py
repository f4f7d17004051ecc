"""Accelerating and restoring: whole or not at all, as often as wanted, never silent."""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
import threading
from contextlib import contextmanager
from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
import websocket
from websocket import ABNF, _abnf, _core, _socket, _utils

import fastws
from fastws import report
from fastws.hosts import HostError, accelerate, accelerated, host_status, registry, restore, shape
from fastws.hosts.host import Seam
from fresh import run_python
from suites import BACKENDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

HOST = "websocket-client"

# One attribute of each module that is replaced, and one that a class holds as a static method.
PLACES: tuple[tuple[Any, str], ...] = (
    (_utils, "_validate_utf8"),
    (_abnf, "_mask"),
    (ABNF, "mask"),
    (ABNF, "format"),
    (_abnf.frame_buffer, "recv_frame"),
    (_abnf.frame_buffer, "recv_strict"),
    (_abnf.continuous_frame, "add"),
    (_core.WebSocket, "recv_data_frame"),
    (_core.WebSocket, "recv"),
    (_socket, "recv"),
    (_socket, "send"),
    (_core, "recv"),
    (_core, "send"),
    (websocket, "recv"),
    (websocket, "send"),
)


def standing() -> list[object]:
    """What stands at each place now, unbound."""
    return [vars(owner)[name] for owner, name in PLACES]


def only_status() -> Any:
    (status,) = [each for each in host_status() if each.name == HOST]
    return status


# Whole, and back ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("adapted")
def test_everything_is_replaced_and_put_back() -> None:
    before = standing()
    assert accelerate(HOST) == (HOST,)
    replaced = standing()
    assert all(new is not old for new, old in zip(replaced, before, strict=True))
    assert vars(_core)["recv"] is _socket.recv is websocket.recv
    assert restore(HOST) == (HOST,)
    assert all(new is old for new, old in zip(standing(), before, strict=True))


def test_twice_is_once() -> None:
    before = standing()
    accelerate(HOST)
    replaced = standing()
    assert accelerate(HOST, HOST) == (HOST,)
    assert HOST in accelerate()
    assert standing() == replaced
    restore()
    assert standing() == before
    assert restore() == ()
    assert standing() == before
    accelerate()
    assert standing() != before


def test_the_block_ends_where_it_began() -> None:
    before = standing()
    with accelerated(HOST) as names:
        assert names == (HOST,)
        replaced = standing()
        with accelerated():
            assert standing() == replaced
        assert standing() == replaced
    assert standing() == before
    accelerate()
    replaced = standing()
    with pytest.raises(ZeroDivisionError), accelerated(HOST):
        raise ZeroDivisionError
    assert standing() == replaced


def test_restore_within_a_block() -> None:
    before = standing()
    with accelerated(HOST):
        restore(HOST)
        assert standing() == before
    assert standing() == before


def test_overlapping_blocks_of_threads() -> None:
    """The host stays accelerated until the last block ends, whoever began."""
    before = standing()
    inside, leave = threading.Barrier(2), threading.Event()

    def other() -> None:
        with accelerated(HOST):
            inside.wait()
            leave.wait()

    thread = threading.Thread(target=other)
    with accelerated(HOST):
        thread.start()
        inside.wait()
    assert only_status().accelerated
    leave.set()
    thread.join()
    assert standing() == before


def test_threads_that_switch_at_once() -> None:
    before = standing()
    failures: list[BaseException] = []

    def switch() -> None:
        try:
            for _ in range(30):
                accelerate()
                with accelerated(HOST):
                    pass
                restore()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=switch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    restore()
    assert standing() == before


# Refused --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("call", [accelerate, restore, lambda *names: accelerated(*names).__enter__()])
def test_unknown_host(call: Callable[..., object]) -> None:
    before = standing()
    with pytest.raises(ValueError, match=r"unknown host 'websockt'; known hosts: websocket-client") as caught:
        call(HOST, "websockt")
    assert not isinstance(caught.value, HostError)
    assert standing() == before


def _theirs(*_: object) -> None:
    """What somebody else put in the place of a function."""


@functools.wraps(_abnf.frame_buffer.recv_strict)
def _wrapped(*_: object) -> None:
    """What somebody else wrapped around a function."""


MOVED: dict[str, tuple[Any, str, Any, str]] = {
    "gone": (_abnf.frame_buffer, "recv_mask", None, r"websocket\._abnf\.frame_buffer\.recv_mask does not exist"),
    "class gone": (_abnf, "continuous_frame", None, r"websocket\._abnf\.continuous_frame\.\w+ does not exist"),
    "global gone": (_core, "isEnabledForTrace", None, r"websocket\._core\.isEnabledForTrace does not exist"),
    "patched": (
        _core.WebSocket,
        "recv",
        _theirs,
        r"websocket\._core\.WebSocket\.recv has been replaced by something else",
    ),
    "wrapped": (
        _abnf.frame_buffer,
        "recv_strict",
        _wrapped,
        r"websocket\._abnf\.frame_buffer\.recv_strict has been replaced by something else",
    ),
    "no function": (ABNF, "format", len, r"websocket\._abnf\.ABNF\.format has been replaced by something else"),
    "other code": (
        _abnf.continuous_frame,
        "is_fire",
        _abnf.continuous_frame.extract,
        r"websocket\._abnf\.continuous_frame\.is_fire is not what the adapter was written against",
    ),
}


@contextmanager
def moved(case: str) -> Iterator[str]:
    owner, name, value, text = MOVED[case]
    with pytest.MonkeyPatch.context() as patched:
        if value is None:
            patched.delattr(owner, name)
        else:
            patched.setattr(owner, name, value)
        yield text


@pytest.mark.parametrize("case", MOVED)
def test_a_moved_shape_is_refused_whole(case: str) -> None:
    with moved(case) as text:
        before = [vars(owner).get(name) for owner, name in PLACES]
        with pytest.raises(HostError, match=text):
            accelerate(HOST)
        with pytest.raises(HostError, match=text), accelerated(HOST):
            pass
        assert [vars(owner).get(name) for owner, name in PLACES] == before
        assert HOST not in accelerate()
        assert [vars(owner).get(name) for owner, name in PLACES] == before
        status = only_status()
        assert not status.accelerated
        assert status.depth is None
        assert status.reason is not None
        assert status.reason.startswith("websocket.")
    assert accelerate(HOST) == (HOST,)
    assert only_status().reason is None


def test_a_failure_half_way_puts_all_back(monkeypatch: pytest.MonkeyPatch) -> None:
    before = standing()
    put = Seam.put

    def failing(seam: Seam, value: object) -> None:
        if seam.name == "recv_data_frame" and value is seam.replacement:
            raise MemoryError
        put(seam, value)

    monkeypatch.setattr(Seam, "put", failing)
    with pytest.raises(MemoryError):
        accelerate(HOST)
    assert standing() == before


def test_missing_source_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable(_: object) -> str:
        raise OSError("could not get source code")

    shape.read_digest.cache_clear()
    monkeypatch.setattr(inspect, "getsource", unreadable)
    with pytest.raises(HostError, match=r"the source of websocket\.\S+ cannot be read: could not get source code"):
        accelerate(HOST)
    monkeypatch.undo()
    accelerate(HOST)


def test_what_somebody_else_put_there_stays() -> None:
    before = standing()
    accelerate()
    ours = vars(_core.WebSocket)["recv"]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(_core.WebSocket, "recv", _theirs)
        assert only_status().reason == "replaced by something else since: websocket._core.WebSocket.recv"
        assert not only_status().accelerated
        restore()
        assert vars(_core.WebSocket)["recv"] is _theirs
    # They have put back what they found; the next call puts that back in turn.
    assert vars(_core.WebSocket)["recv"] is ours
    restore()
    assert standing() == before


@pytest.mark.parametrize(("owner", "name"), [(_core.WebSocket, "recv"), (_core, "recv"), (ABNF, "mask")])
def test_a_patch_that_outlives_the_block(owner: Any, name: str) -> None:
    """As of a fixture that ends after it: the host can be accelerated again, and put back."""
    before = standing()
    for _ in range(2):
        patched = pytest.MonkeyPatch()
        with accelerated(HOST):
            patched.setattr(owner, name, _theirs)
        patched.undo()
        with accelerated(HOST):
            assert only_status().accelerated
    assert standing() == before
    assert not registry._states[HOST].owed  # noqa: SLF001


_STUBBED = """
    import sys, warnings
    warnings.simplefilter("ignore")
    from unittest.mock import MagicMock
    sys.modules[{module!r}] = MagicMock()
    import websocket, fastws.hosts
    plain = websocket._socket.recv
    with fastws.hosts.accelerated() as names:
        print({host!r} in names, "websocket-client" in names, websocket._socket.recv is plain)
    print(websocket._socket.recv is plain)
    (told,) = [status for status in fastws.hosts.host_status() if status.name == {host!r}]
    print(told.accelerated, told.reason.partition(":")[0])
    try:
        fastws.hosts.accelerate("websocket-client", {host!r})
    except fastws.hosts.HostError as error:
        print(type(error).__name__, websocket._socket.recv is plain)
"""


@pytest.mark.parametrize(
    ("host", "module"),
    [
        ("paho-mqtt", "paho.mqtt.client"),
        ("tornado", "tornado.websocket"),
        ("wsproto", "wsproto"),
        ("autobahn", "autobahn.websocket.protocol"),
    ],
)
def test_what_a_test_has_put_in_the_place_of_a_host_is_refused(host: str, module: str) -> None:
    printed = run_python(_STUBBED.format(host=host, module=module)).splitlines()
    assert printed[:2] == ["False True False", "True"]
    assert printed[2].startswith("False ")
    assert printed[3] == "HostError True"


def test_a_seam_in_a_class_within_a_class() -> None:
    module = ModuleType("seams_here")
    exec("class Outer:\n    class Inner:\n        def work(self): pass\n", vars(module))  # noqa: S102
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, "seams_here", module)
        seam = Seam.find(module, "Outer.Inner.work")
        assert seam.in_use()
        module.Outer.Inner = object()
        assert not seam.in_use()


def test_a_host_that_was_imported_anew() -> None:
    """Seen in the status, and accelerated again when it is imported."""
    printed = run_python(
        """
        import sys
        import fastws.hosts
        fastws.hosts.accelerate("websocket-client")
        for name in [name for name in sys.modules if name.partition(".")[0] == "websocket"]:
            del sys.modules[name]
        print(fastws.hosts.host_status()[0].reason.partition(":")[0])
        import websocket
        print(fastws.hosts.host_status()[0].reason, websocket.ABNF.mask.__code__.co_filename[-19:])
        """
    )
    assert printed == "replaced by something else since\nNone websocket_client.py"


# Missing, early, late -------------------------------------------------------------------------------------------------


def test_a_host_that_is_not_installed() -> None:
    printed = run_python(
        """
        import sys
        from importlib import metadata
        import fastws.hosts

        def version(name):
            raise metadata.PackageNotFoundError(name)

        metadata.version = version
        try:
            fastws.hosts.accelerate("websocket-client")
        except fastws.hosts.HostError as error:
            print(error)
        print(fastws.hosts.accelerate(), fastws.hosts.host_status()[0].reason, "websocket" in sys.modules)
        print(fastws.hosts.accelerate_installed(), fastws.hosts.host_status()[0].reason, "websocket" in sys.modules)
        """
    )
    assert printed == "websocket-client is not installed\n() not installed False\n() not installed False"


def test_a_host_that_cannot_be_imported() -> None:
    printed = run_python(
        """
        import sys
        sys.modules["websocket._abnf"] = None
        import fastws.hosts
        try:
            fastws.hosts.accelerate("websocket-client")
        except fastws.hosts.HostError as error:
            print(error)
        print("websocket-client" in fastws.hosts.accelerate_installed(), fastws.hosts.host_status()[0].reason)
        """
    )
    text = "websocket-client cannot be imported: import of websocket._abnf halted; None in sys.modules"
    assert printed == f"{text}\nFalse {text}"


def test_another_package_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "websocket.py").write_text("print('mine')\n")
    printed = run_python(
        f"""
        import sys
        sys.path.insert(0, {str(tmp_path)!r})
        import fastws.hosts
        fastws.hosts.accelerate()
        import websocket
        print(fastws.hosts.host_status()[0].accelerated)
        print(fastws.hosts.host_status()[0].reason)
        """
    )
    assert printed.splitlines()[:2] == ["mine", "False"]
    assert printed.splitlines()[2].endswith("does not exist")


@pytest.mark.parametrize(
    "order", ["import websocket; fastws.hosts.accelerate()", "fastws.hosts.accelerate(); import websocket"]
)
def test_before_or_after_the_import(order: str) -> None:
    printed = run_python(
        f"""
        import fastws.hosts
        {order}
        ws = websocket.WebSocket()
        print(ws.recv.__func__.__code__.co_filename.endswith("websocket_client.py"))
        """
    )
    assert printed == "True"


def test_importing_replaces_and_imports_nothing() -> None:
    printed = run_python(
        """
        import sys
        import fastws
        print("websocket" in sys.modules, "fastws.hosts" in sys.modules)
        import fastws.hosts, fastws.report
        fastws.report.status()
        print("websocket" in sys.modules)
        import websocket
        print(websocket.ABNF.mask.__code__.co_filename.endswith("_abnf.py"))
        """
    )
    assert printed == "False False\nFalse\nTrue"


# Status ---------------------------------------------------------------------------------------------------------------


def test_status_tells_what_runs() -> None:
    told = report.status()
    assert told.version == fastws.__version__
    assert told.backend == fastws.backend_name()
    assert told.kernel == fastws.kernel_name()
    assert told.kernel in told.kernels or (told.kernel, told.kernels) == ("none", ())
    assert (told.why_not_native is None) == (told.backend == "native")
    assert [host.name for host in told.hosts] == list(registry._ADAPTERS)  # noqa: SLF001
    assert told.hosts[0].name == HOST
    host = told.hosts[0]
    assert host.distribution == "websocket-client"
    assert host.installed == importlib.metadata.version("websocket-client")
    assert (host.accelerated, host.depth, host.reason) == (False, None, "not asked for")
    assert "websocket._abnf.ABNF.mask" in host.replaces
    assert host.tried
    assert host.cannot_reach
    accelerate()
    host = report.status().hosts[0]
    assert (host.accelerated, host.depth, host.reason) == (True, "frame", None)


def test_probing_tells_without_touching() -> None:
    before = standing()
    assert report.status(probe=True).hosts[0].reason == "not asked for"
    with moved("other code"):
        reason = report.status(probe=True).hosts[0].reason
        assert reason is not None
        assert reason.endswith("is not what the adapter was written against")
    assert standing() == before


def test_every_path_that_is_named_is_replaced() -> None:
    accelerate()
    modules = [f"{owner.__name__}.{name}" for owner, name in PLACES if isinstance(owner, ModuleType)]
    classes = [f"{owner.__module__}.{owner.__qualname__}.{name}" for owner, name in PLACES if isinstance(owner, type)]
    assert set(only_status().replaces) <= {*modules, *classes}
    assert not only_status().left


# Two hosts of which the pure twin leaves something, and one of which it leaves nothing.
_REPLACED_AND_LEFT = """
    import warnings
    warnings.simplefilter("ignore")
    from fastws.hosts import accelerate, host_status
    for name in ("aiohttp", "eventlet", "websockets"):
        before, = (status for status in host_status() if status.name == name)
        done = accelerate(name)
        after, = (status for status in host_status() if status.name == name)
        assert done == ((name,) if after.accelerated else ())
        assert sorted(before.replaces) == sorted(after.replaces + after.left)
        print(name, after.accelerated, *after.left)
"""


@pytest.mark.parametrize("twin", BACKENDS)
def test_status_tells_what_is_left_to_a_host(twin: str) -> None:
    # What resolves names for eventlet does not bear every other package.
    environment = {"FASTWS_NO_EXTENSIONS": "" if twin == "native" else "1", "EVENTLET_NO_GREENDNS": "yes"}
    told = [line.split() for line in run_python(_REPLACED_AND_LEFT, **environment).splitlines()]
    pack_message = "eventlet.websocket.RFC6455WebSocket._pack_message"
    if twin == "native":
        expected = [["aiohttp", "True"], ["eventlet", "True"], ["websockets", "True"]]
    else:
        expected = [told[0], ["eventlet", "True", pack_message], ["websockets", "True"]]
        assert told[0][1] == str(not _aiohttp_is_compiled())
    assert told == expected


def _aiohttp_is_compiled() -> bool:
    helpers = importlib.import_module("aiohttp._websocket.helpers")
    return bool(helpers.websocket_mask is not helpers._websocket_mask_python)  # noqa: SLF001


def test_a_host_that_nothing_is_replaced_of_is_not_accelerated(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = replace(registry._host(HOST), seams=lambda _: [])  # noqa: SLF001
    monkeypatch.setattr(registry, "_host", lambda _: nothing)
    reason = "this twin of the codec has nothing faster than what the host does itself"
    (told, *_) = report.status(probe=True).hosts
    assert (told.accelerated, told.reason) == (False, reason)
    assert accelerate() == ()
    (told, *_) = report.status().hosts
    assert (told.accelerated, told.depth, told.reason, told.awaited) == (False, None, reason, False)


# Counting -------------------------------------------------------------------------------------------------------------


def test_calls_are_counted_where_asked() -> None:
    printed = run_python(
        """
        import fastws.hosts
        fastws.hosts.accelerate()
        import websocket
        websocket.ABNF.mask(b"abcd", b"x")
        websocket.ABNF(data=b"x").format()
        print(fastws.hosts.seam_hits())
        """,
        FASTWS_COUNT_SEAMS="1",
    )
    assert printed == "{'websocket._abnf.ABNF.mask': 1, 'websocket._abnf.ABNF.format': 1}"


def test_calls_are_not_counted_otherwise() -> None:
    accelerate()
    ABNF.mask(b"abcd", b"x")
    assert fastws.hosts.seam_hits() == {}
