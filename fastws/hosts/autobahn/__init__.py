"""autobahn on asyncio and on Twisted: masks, UTF-8, delivery of whole messages, building of frames.

Tried with 23.1.2, 24.4.2 and 26.10.2, with NVX and without, and with wsaccel where the release looks for it; the
functions in ``known.py`` are the same, or known, in every release between them. ``fastws.restore("autobahn")`` undoes
it, also for connections that are open. It imports no framework: the last step on asyncio and the first one on Twisted
are replaced when the program imports its own.

``receiving.py`` delivers messages that came as one frame at once, where the application overrides none of the hooks
that stream; everything else takes the host's way, with faster maskers and validators (``parts.py``). ``sending.py``
builds frames in one step. Overridden hooks, the order of everything that is called, ``trafficStats``, log lines,
close codes and the state that a callback can see stay the host's; so does the source of masking keys,
``random.getrandbits``, which programs seed and tests replace.

What a message that came as one frame no longer passes through has no effect if it is patched on an instance of
``txaio``: the future that the host makes for every message, for listeners that are not there.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from ..host import Host, HostError, Seam
from ..seams import make_seams
from ..shape import check_shape
from .frameworks import make_data_received, make_on_message
from .known import ASYNCIO, CORE, TWISTED
from .parts import Parts
from .receiving import make_consume_data
from .sending import make_send_data, make_send_frame

if TYPE_CHECKING:
    from types import ModuleType

__all__ = ["HOST"]

_ASYNCIO: Final = {"asyncio.websocket.WebSocketAdapterProtocol._onMessage": make_on_message}
_TWISTED: Final = {"twisted.websocket.WebSocketAdapterProtocol.dataReceived": make_data_received}


class _DataSeam(Seam):
    """``data`` of the class, which connections in the middle of a read do without."""

    def put(self, value: Any) -> None:
        if value is not self.replacement:
            self.replacement.withdraw()
        super().put(value)


def _seams(backend: ModuleType) -> list[Seam]:
    package = sys.modules["autobahn"]
    masker = Seam.find(package, "websocket.protocol.create_xor_masker")
    validator = Seam.find(package, "websocket.protocol.Utf8Validator")
    protocol = Seam.find(package, "websocket.protocol.WebSocketProtocol")
    for seam, kind in ((masker, object), (validator, type), (protocol, type)):
        if not isinstance(seam.current(), kind):
            raise HostError(f"{seam.path} has been replaced by something else")
    check_shape(package, CORE)
    parts = Parts(backend, masker.current(), validator.current(), protocol.current())
    replaced = {
        "websocket.protocol.WebSocketProtocol.consumeData": make_consume_data(parts),
        "websocket.protocol.WebSocketProtocol.sendFrame": make_send_frame(parts),
        "websocket.protocol.WebSocketProtocol.sendData": make_send_data(parts),
    }
    return [
        *make_seams(package, CORE, replaced, backend),
        masker.with_replacement(parts.create_xor_masker),
        validator.with_replacement(parts.validator),
        _DataSeam(f"{protocol.path}.data", protocol.current(), "data", parts.unread),
    ]


def _asyncio_seams(backend: ModuleType) -> list[Seam]:
    return make_seams(sys.modules["autobahn"], ASYNCIO, _ASYNCIO, backend)


def _twisted_seams(backend: ModuleType) -> list[Seam]:
    return make_seams(sys.modules["autobahn"], TWISTED, _TWISTED, backend)


HOST: Final = Host(
    name="autobahn",
    distribution="autobahn",
    package="autobahn",
    tried="23.1.2 to 26.10.2",
    depth="frame",
    replaces=tuple(
        f"autobahn.{path}"
        for path in (
            "websocket.protocol.create_xor_masker",
            "websocket.protocol.Utf8Validator",
            "websocket.protocol.WebSocketProtocol.consumeData",
            "websocket.protocol.WebSocketProtocol.sendFrame",
            "websocket.protocol.WebSocketProtocol.sendData",
            *_ASYNCIO,
            *_TWISTED,
        )
    ),
    cannot_reach=(
        "fragmented and compressed messages, control frames and applications that override streaming hooks are parsed "
        "by the host, with faster masks and UTF-8; text stays bytes, which the program decodes itself; the future and "
        "the callback for each read on asyncio stay"
    ),
    seams=_seams,
    modules=("autobahn.websocket.protocol",),
    parts={"autobahn.asyncio.websocket": _asyncio_seams, "autobahn.twisted.websocket": _twisted_seams},
)
