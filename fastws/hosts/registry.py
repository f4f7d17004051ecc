"""The hosts that can be accelerated, and the state of each: replaced or not, and why not.

A new host is one file with a ``HOST`` and one line in ``_ADAPTERS``.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import warnings
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..backend import backend
from .counting import count_if_asked
from .host import Host, HostError, HostStatus, Seam
from .later import unwatch, watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import ModuleType

__all__ = ["accelerate", "accelerate_installed", "accelerated", "host_status", "restore", "tell_late", "unnoticed"]


class _Adapter(NamedTuple):
    """Where a host's adapter is, known without loading it.

    Attributes:
        module: the module in this package.
        trigger: the module of the host that a program imports when it uses the host; the first of its ``modules``.
    """

    module: str
    trigger: str


_ADAPTERS: Final = MappingProxyType(
    {
        "websocket-client": _Adapter("websocket_client", "websocket"),
        "aiohttp": _Adapter("aiohttp", "aiohttp"),
        "wsproto": _Adapter("wsproto", "wsproto"),
        "websockets": _Adapter("websockets", "websockets.protocol"),
        "uvicorn": _Adapter("uvicorn", "uvicorn.protocols.websockets.websockets_sansio_impl"),
        "tornado": _Adapter("tornado", "tornado.websocket"),
        "paho-mqtt": _Adapter("paho_mqtt", "paho.mqtt.client"),
        "ws4py": _Adapter("ws4py", "ws4py.websocket"),
        "gevent-websocket": _Adapter("gevent_websocket", "geventwebsocket.websocket"),
        "eventlet": _Adapter("eventlet", "eventlet.websocket"),
        "lomond": _Adapter("lomond", "lomond.websocket"),
        "slack-sdk": _Adapter("slack_sdk", "slack_sdk.socket_mode.builtin.connection"),
        "autobahn": _Adapter("autobahn", "autobahn.websocket.protocol"),
    }
)


@dataclass
class _State:
    """What was done to one host.

    Attributes:
        replaced: each seam and what stood there before; empty while the host is as it was.
        parts: the modules of the host, of those that only some programs import, that ``replaced`` covers.
        owed: seams where something else stood when the host was put back, and what was there before ``replaced``: who
            put that there may put the replacement back.
        kept: whether ``accelerate`` asked for it, so that the end of a ``with`` block leaves it.
        blocks: ``with`` blocks that it is accelerated for.
        refused: why the last attempt failed.
    """

    replaced: list[tuple[Seam, Any]] = field(default_factory=list)
    parts: set[str] = field(default_factory=set)
    owed: list[tuple[Seam, Any]] = field(default_factory=list)
    kept: bool = False
    blocks: int = 0
    refused: str | None = None

    @property
    def wanted(self) -> bool:
        return self.kept or self.blocks > 0


_states: Final[dict[str, _State]] = {name: _State() for name in _ADAPTERS}
_NOT_YET: Final = "not imported yet"
_FAILED: Final = "the adapter failed"
_UNNOTICED: Final = "imported by a finder that stands before fastws's; accelerate() replaces it"
_NOTHING: Final = "this twin of the codec has nothing faster than what the host does itself"

_late: Callable[[HostStatus], None] | None = None

# No host is imported while this is held: its modules have locks of their own, and their imports end in `_imported`.
_lock: Final = threading.RLock()
if hasattr(os, "register_at_fork"):
    # A child has only the thread that forked, and no host that is half replaced.
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def accelerate(*hosts: str) -> tuple[str, ...]:
    """Make host libraries faster.

    Each host is replaced whole or not at all; one that is accelerated already is left as it is. A host that is named
    is imported, if it was not before. Without names nothing is imported: a host that the program has not imported yet
    is replaced when it does.

    Args:
        hosts: names of hosts; none for every supported host that can be accelerated. What is then left alone, and why,
            stands in ``host_status()``.
    Returns: the names of these hosts that are accelerated now.
    Raises:
        ValueError: a name is not that of a supported host.
        HostError: a host that was named is not installed, or is not shaped as its adapter expects. Nothing is
            changed then.
    """
    names = _known(hosts)
    ready = _prepare(names, must=bool(hosts))
    with _lock:
        done = _replace_all(ready, must=bool(hosts))
        for name in names:
            _states[name].kept = True
            _wait_for(name)
        return done


def accelerate_installed() -> tuple[str, ...]:
    """Import every supported host that is installed, and accelerate what can be.

    Returns: the names of the hosts that are accelerated now.
    """
    names = [name for name in _ADAPTERS if _installed(_host(name)) is not None]
    with warnings.catch_warnings():
        # Old hosts warn of themselves when they are imported; nobody here has chosen them.
        warnings.simplefilter("ignore")
        _prepare(names, must=False, imported=False)
    return accelerate()


def tell_late(call: Callable[[HostStatus], None] | None) -> None:
    """Call ``call`` with the status of each host that the program imports after ``accelerate``; None for nobody."""
    global _late
    _late = call


def unnoticed() -> tuple[str, ...]:
    """The hosts that are to be accelerated when they are imported, and were imported without anybody telling."""
    with _lock:
        return tuple([name for name in _ADAPTERS if _is_unnoticed(name)])


def _is_unnoticed(name: str) -> bool:
    state = _states[name]
    return state.wanted and not state.replaced and state.refused is None and _ADAPTERS[name].trigger in sys.modules


def restore(*hosts: str) -> tuple[str, ...]:
    """Put host libraries back as they were; one that is not accelerated is left as it is.

    An attribute that somebody else has replaced since is left to them. Where they put the replacement of fastws back
    later, the next call puts that back in turn.

    Args:
        hosts: names of hosts; none for all.
    Returns: the names of the hosts that were put back.
    Raises:
        ValueError: a name is not that of a supported host.
    """
    names = _known(hosts)
    with _lock:
        done = [name for name in names if _states[name].replaced]
        for name in names:
            _states[name].kept = False
            _put_back(name)
            _stop_waiting(name)
        return tuple(done)


@contextmanager
def accelerated(*hosts: str) -> Iterator[tuple[str, ...]]:
    """Accelerate hosts for the time of a ``with`` block.

    A host stays accelerated until the last of its blocks ends, and beyond where ``accelerate`` was called for it.

    Args:
        hosts: as for ``accelerate``, which raises the same.
    Yields: the names of these hosts that are accelerated now.
    """
    names = _known(hosts)
    ready = _prepare(names, must=bool(hosts))
    with _lock:
        done = _replace_all(ready, must=bool(hosts))
        for name in names:
            _states[name].blocks += 1
            _wait_for(name)
    try:
        yield done
    finally:
        with _lock:
            for name in names:
                state = _states[name]
                state.blocks -= 1
                if not state.wanted:
                    _put_back(name)
                    _stop_waiting(name)


def host_status(*, probe: bool = False) -> tuple[HostStatus, ...]:
    """What is known about every supported host.

    Args:
        probe: import every installed host that is not accelerated and check its shape; nothing is replaced. Otherwise
            no host is imported.
    """
    if probe:
        _prepare([name for name in _ADAPTERS if _installed(_host(name)) is not None], must=False, imported=False)
    with _lock:
        return tuple([_status(_host(name), probe) for name in _ADAPTERS])


def _known(hosts: tuple[str, ...]) -> tuple[str, ...]:
    for name in hosts:
        if name not in _ADAPTERS:
            raise ValueError(f"unknown host {name!r}; known hosts: {', '.join(_ADAPTERS)}")
    return tuple(dict.fromkeys(hosts)) or tuple(_ADAPTERS)


def _host(name: str) -> Host:
    host: Host = importlib.import_module(f".{_ADAPTERS[name].module}", __package__).HOST
    return host


# Importing ------------------------------------------------------------------------------------------------------------


def _prepare(names: Sequence[str], *, must: bool, imported: bool = True) -> list[str]:
    """Import what is needed to replace these hosts.

    Args:
        must: raise HostError where a host cannot be imported; otherwise it stands in the status.
        imported: without ``must``, pass over hosts that the program has not imported.
    Returns: the names of the hosts that can be replaced as far as that goes.
    """
    ready = []
    for name in names:
        if not must and imported and _ADAPTERS[name].trigger not in sys.modules:
            continue
        try:
            _import(_host(name))
        except HostError as error:
            _states[name].refused = str(error)
            if must:
                raise
        else:
            ready.append(name)
    return ready


def _import(host: Host) -> None:
    if host.package not in sys.modules and _installed(host) is None:
        raise HostError(f"{host.name} is not installed")
    try:
        for module in host.modules:
            importlib.import_module(module)
    except Exception as error:
        raise HostError(f"{host.name} cannot be imported: {error}") from error


def _wait_for(name: str) -> None:
    """Watch for the program to import a host, or a part of it."""
    watch(_ADAPTERS[name].trigger, lambda _: _imported(name))
    if _states[name].replaced:
        for part in _host(name).parts:
            watch(part, lambda _: _imported(name))


def _stop_waiting(name: str) -> None:
    unwatch(_ADAPTERS[name].trigger)
    # An adapter that was never loaded has waited for no part.
    if f"{__package__}.{_ADAPTERS[name].module}" in sys.modules:
        for part in _host(name).parts:
            unwatch(part)


def _imported(name: str) -> None:
    """The program has just imported a host, or a part of it: it is replaced if that is still wanted.

    Whatever goes wrong here stands in the status and is no business of the program's import.
    """
    state = _states[name]
    if not state.wanted:
        return
    try:
        ready = _prepare([name], must=False)
        with _lock:
            if state.wanted and _replace_all(ready, must=False):
                _wait_for(name)
    except Exception as error:
        state.refused = f"{_FAILED}: {error!r}"
    if _late is not None:
        with suppress(Exception):
            _late(_status(_host(name), probe=False))


# Replacing and putting back -------------------------------------------------------------------------------------------


def _replace_all(names: Sequence[str], *, must: bool) -> tuple[str, ...]:
    """Replace these hosts: all of them, or else raise and change none where they ``must`` be; otherwise what can be."""
    done, begun = [], []
    for name in names:
        state = _states[name]
        try:
            if not state.replaced or _lost(state):
                begun.append(name)
                _replace(name)
            _replace_parts(name)
        except BaseException as error:
            state.refused = str(error)
            if must or not isinstance(error, HostError):
                for each in begun:
                    _put_back(each)
                raise
        else:
            state.refused = None if state.replaced else _NOTHING
            if state.replaced:
                done.append(name)
    return tuple(done)


def _replace(name: str) -> None:
    _put_back(name)
    _put(name, _make(_host(name).seams))


def _replace_parts(name: str) -> None:
    """Replace what the program has imported by now of the parts that not every program imports."""
    state = _states[name]
    for part, seams in _host(name).parts.items():
        if part in sys.modules and part not in state.parts:
            _put(name, _make(seams))
            state.parts.add(part)


def _make(seams: Callable[[ModuleType], Sequence[Seam]]) -> Sequence[Seam]:
    """The seams of a host.

    Raises:
        HostError: the host is not shaped as its adapter expects; also where the adapter stumbles over it, as over what
            a test has put in the place of a module.
    """
    try:
        return seams(backend)
    except HostError:
        raise
    except Exception as error:
        raise HostError(f"{_FAILED}: {error!r}") from error


def _put(name: str, seams: Sequence[Seam]) -> None:
    """Put replacements in their places: all of them, or none and the host is as it was."""
    state = _states[name]
    try:
        for seam in count_if_asked(list(seams)):
            before = seam.current()
            state.replaced.append((seam, before))
            seam.put(seam.replacement)
    except BaseException:
        _put_back(name)
        raise


def _put_back(name: str) -> None:
    state = _states[name]
    state.owed = [pair for pair in (*state.owed, *reversed(state.replaced)) if not _is_back(*pair)]
    state.replaced = []
    state.parts = set()


def _is_back(seam: Seam, before: Any) -> bool:
    """Put back what stood there before, unless something else stands there now."""
    if seam.current() is seam.replacement:
        seam.put(before)
    return seam.current() is before


def _lost(state: _State) -> list[str]:
    """The seams where something else stands by now: the host was imported anew, or somebody replaced it again."""
    return [seam.path for seam, _ in state.replaced if not seam.in_use() or seam.current() is not seam.replacement]


# What is known --------------------------------------------------------------------------------------------------------


def _installed(host: Host) -> str | None:
    # Slow to import, and not needed by a program that uses no host.
    from importlib import metadata

    try:
        return metadata.version(host.distribution)
    except metadata.PackageNotFoundError:
        return None


def _status(host: Host, probe: bool) -> HostStatus:
    installed = _installed(host)
    reason = _why_not(host, installed, probe)
    replaces = _replaces(host) if reason is None else host.replaces
    return HostStatus(
        name=host.name,
        distribution=host.distribution,
        installed=installed,
        tried=host.tried,
        accelerated=reason is None,
        depth=host.depth if reason is None else None,
        replaces=replaces,
        left=tuple([path for path in host.replaces if path not in replaces]),
        cannot_reach=host.cannot_reach,
        reason=reason,
        awaited=reason == _NOT_YET,
    )


def _replaces(host: Host) -> tuple[str, ...]:
    """The paths of an adapter that are replaced, and those that will be once the program imports a part of the host."""
    state = _states[host.name]
    replaced = {seam.path for seam, _ in state.replaced}
    awaited = host.parts and set(host.parts) != state.parts
    return tuple([path for path in host.replaces if path in replaced or (awaited and not _is_imported(path))])


def _is_imported(path: str) -> bool:
    """Whether the module that a path leads to, or leads through, was imported."""
    owner = path.rpartition(".")[0]
    return owner in sys.modules or owner.rpartition(".")[0] in sys.modules


def _why_not(host: Host, installed: str | None, probe: bool) -> str | None:
    """Why a host is not accelerated, or None where it is."""
    state = _states[host.name]
    if state.replaced:
        lost = _lost(state)
        return f"replaced by something else since: {', '.join(lost)}" if lost else None
    if installed is None and host.package not in sys.modules:
        return "not installed"
    if probe and all(module in sys.modules for module in host.modules):
        try:
            if not _make(host.seams):
                return _NOTHING
        except HostError as error:
            return str(error)
    elif state.refused is not None:
        return state.refused
    if _is_unnoticed(host.name):
        return _UNNOTICED
    return _NOT_YET if state.wanted else "not asked for"
