"""The hosts that can be accelerated, and the state of each: replaced or not, and why not.

A new host is one file with a ``HOST`` and one line in ``_MODULES``.
"""

from __future__ import annotations

import importlib
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from ..backend import backend
from .counting import count_if_asked
from .host import Host, HostError, HostStatus, Seam

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

__all__ = ["accelerate", "accelerated", "host_status", "restore"]

# host name → the module in this package that adapts it
_MODULES: Final[dict[str, str]] = {
    "websocket-client": "websocket_client",
}


@dataclass
class _State:
    """What was done to one host.

    Attributes:
        replaced: each seam and what stood there before; empty while the host is as it was.
        kept: whether ``accelerate`` asked for it, so that the end of a ``with`` block leaves it.
        blocks: ``with`` blocks that it is accelerated for.
        refused: why the last attempt failed.
    """

    replaced: list[tuple[Seam, Any]] = field(default_factory=list)
    kept: bool = False
    blocks: int = 0
    refused: str | None = None


_states: Final[dict[str, _State]] = {name: _State() for name in _MODULES}
_lock: Final = threading.RLock()


def accelerate(*hosts: str) -> tuple[str, ...]:
    """Make host libraries faster.

    Each host is replaced whole or not at all; one that is accelerated already is left as it is. A host may have been
    imported before; otherwise it is imported here.

    Args:
        hosts: names of hosts; none for every supported host that is installed and can be accelerated. What is then
            left alone, and why, stands in ``host_status()``.
    Returns: the names of these hosts that are accelerated now.
    Raises:
        ValueError: a name is not that of a supported host.
        HostError: a host that was named is not installed, or is not shaped as its adapter expects. Nothing is
            changed then.
    """
    names = _known(hosts)
    with _lock:
        done = _replace_all(names, must=bool(hosts))
        for name in done:
            _states[name].kept = True
        return done


def restore(*hosts: str) -> tuple[str, ...]:
    """Put host libraries back as they were; one that is not accelerated is left as it is.

    An attribute that somebody else has replaced since is left to them.

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
            _put_back(_states[name])
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
    with _lock:
        done = _replace_all(names, must=bool(hosts))
        for name in done:
            _states[name].blocks += 1
    try:
        yield done
    finally:
        with _lock:
            for name in done:
                state = _states[name]
                state.blocks -= 1
                if not state.blocks and not state.kept:
                    _put_back(state)


def host_status(*, probe: bool = False) -> tuple[HostStatus, ...]:
    """What is known about every supported host.

    Args:
        probe: import every installed host that is not accelerated and check its shape; nothing is replaced. Otherwise
            no host is imported.
    """
    with _lock:
        return tuple([_status(_host(name), probe) for name in _MODULES])


def _known(hosts: tuple[str, ...]) -> tuple[str, ...]:
    for name in hosts:
        if name not in _MODULES:
            raise ValueError(f"unknown host {name!r}; known hosts: {', '.join(_MODULES)}")
    return tuple(dict.fromkeys(hosts)) or tuple(_MODULES)


def _host(name: str) -> Host:
    host: Host = importlib.import_module(f".{_MODULES[name]}", __package__).HOST
    return host


# Replacing and putting back -------------------------------------------------------------------------------------------


def _replace_all(names: tuple[str, ...], must: bool) -> tuple[str, ...]:
    """Replace these hosts: all of them, or else raise and change none where they ``must`` be; otherwise what can be."""
    done, begun = [], []
    for name in names:
        state = _states[name]
        try:
            if not state.replaced or _lost(state):
                begun.append(state)
                _replace(_host(name), state)
        except HostError as error:
            state.refused = str(error)
            if must:
                for each in begun:
                    _put_back(each)
                raise
        else:
            done.append(name)
    return tuple(done)


def _replace(host: Host, state: _State) -> None:
    _put_back(state)
    seams = count_if_asked(_seams(host, backend))
    try:
        for seam in seams:
            before = seam.current()
            state.replaced.append((seam, before))
            seam.put(seam.replacement)
    except BaseException:
        _put_back(state)
        raise
    state.refused = None


def _seams(host: Host, twin: ModuleType) -> list[Seam]:
    """The replacements for a host that is there and whose shape fits."""
    if host.package not in sys.modules and _installed(host) is None:
        raise HostError(f"{host.name} is not installed")
    try:
        importlib.import_module(host.package)
    except Exception as error:
        raise HostError(f"{host.name} cannot be imported: {error}") from error
    return list(host.seams(twin))


def _put_back(state: _State) -> None:
    for seam, before in reversed(state.replaced):
        if seam.current() is seam.replacement:
            seam.put(before)
    state.replaced = []


def _lost(state: _State) -> list[str]:
    """The seams where something else stands by now: the host was imported anew, or somebody replaced it again."""
    return [seam.path for seam, _ in state.replaced if not seam.in_use() or seam.current() is not seam.replacement]


# What is known --------------------------------------------------------------------------------------------------------


def _installed(host: Host) -> str | None:
    try:
        return metadata.version(host.distribution)
    except metadata.PackageNotFoundError:
        return None


def _status(host: Host, probe: bool) -> HostStatus:
    installed = _installed(host)
    reason = _why_not(host, installed, probe)
    return HostStatus(
        name=host.name,
        distribution=host.distribution,
        installed=installed,
        tried=host.tried,
        accelerated=reason is None,
        depth=host.depth if reason is None else None,
        replaces=host.replaces,
        cannot_reach=host.cannot_reach,
        reason=reason,
    )


def _why_not(host: Host, installed: str | None, probe: bool) -> str | None:
    """Why a host is not accelerated, or None where it is."""
    state = _states[host.name]
    if state.replaced:
        lost = _lost(state)
        return f"replaced by something else since: {', '.join(lost)}" if lost else None
    if installed is None and host.package not in sys.modules:
        return "not installed"
    if probe:
        try:
            _seams(host, backend)
        except HostError as error:
            return str(error)
    elif state.refused is not None:
        return state.refused
    return "not asked for"
