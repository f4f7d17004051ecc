"""The host libraries that can be measured: a file for each, found by the name of the host.

A new host is one file with ``library_cases()`` and, where its clients can talk to a plain server, ``TRADERS``, and one
line in ``_MODULES``.
"""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..case import Case
    from .trading import Trader

__all__ = ["host_cases", "traders"]

# host name → the module in this package that measures it
_MODULES: Final = MappingProxyType(
    {
        "aiohttp": "aiohttp",
        "autobahn": "autobahn",
        "websocket-client": "websocket_client",
        "websockets": "websockets",
        "wsproto": "wsproto",
        "tornado": "tornado",
        "ws4py": "ws4py",
        "gevent-websocket": "gevent_websocket",
        "paho-mqtt": "paho_mqtt",
        "eventlet": "eventlet",
        "lomond": "lomond",
        "slack-sdk": "slack_sdk",
    }
)


def host_cases(host: str) -> list[Case]:
    """Messages received and sent, as far as this host can be measured; none for one that cannot."""
    cases: list[Case] = _module(host).library_cases() if host in _MODULES else []
    return cases


def traders(host: str) -> Mapping[str, Trader]:
    """What exchanges messages with a server, by the name of the host's client; none for a host that has no client."""
    found: Mapping[str, Trader] = getattr(_module(host), "TRADERS", {}) if host in _MODULES else {}
    return found


def _module(host: str) -> Any:
    return importlib.import_module(f".{_MODULES[host]}", __package__)
