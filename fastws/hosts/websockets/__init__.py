"""websockets: frames parsed and serialized, text decoded and encoded, and what stands around that for each message.

Under its asyncio, threading, trio and legacy interfaces, and under what others build on its protocol: uvicorn's default
(so FastAPI and Starlette), sanic. Tried with every release from 14.1 to 17.4. One file a stage: ``gathering``,
``frames``, ``deflate``, ``protocol``, ``messages``, ``connections``, ``legacy``; ``known`` has what they rely on.
``fastws.restore("websockets")`` undoes it.

Every replacement does the usual case, exactly as the host would, and leaves the others to the host's own function. What
ends a connection (errors, the end of the stream, the peer's close frame), the log and the extensions of users are
always the host's, and so are the zlib objects of permessage-deflate; after an error the host's function goes on, with a
``StandIn`` that makes it meet that error. Honoured are the methods that subclasses override (``recv_frame``,
``send_frame``, ``close_expected``, ``send_context``, ``drain``; the assemblers' ``maybe_pause`` and ``maybe_resume``
are called where they have something to do), a ``secrets.token_bytes`` that somebody has replaced, and ``decode`` and
``encode`` of an extension, replaced at any time. Whoever looks at the reader's buffer finds what the host would have
left in it.

Out of reach: a connection goes on with the parser that it was opened with, until it is put back; only its frames are
parsed faster if it was opened before. What is merged here is no longer called for usual frames, so patching it on the
class after ``accelerate`` has no effect: the steps of ``StreamReader``, ``Frame.parse``, ``Frame.serialize``,
``Frame.check`` and ``Protocol.recv_frame`` for data frames, ``apply_mask``, ``SimpleQueue`` where a message waits
already.
"""

from __future__ import annotations

import codecs
import sys
from functools import partial
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final

from ..host import Host, HostError, Seam
from ..seams import make_seams
from ..shape import digest
from . import connections, frames, legacy, messages, protocol
from .known import KNOWN, KNOWN_PARTS, KNOWN_SEND_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["HOST"]

_Makers = dict[str, "Callable[[FunctionType, ModuleType], Any]"]

# what is replaced, below the package → how its replacement is made
_REPLACED: Final[_Makers] = {
    "utils.apply_mask": frames.make_apply_mask,
    "frames.Frame.parse": frames.make_parse,
    "frames.Frame.serialize": frames.make_serialize,
    "protocol.Protocol.parse": protocol.make_protocol_parse,
    "protocol.Protocol.receive_data": protocol.make_receive_data,
    "protocol.Protocol.send_continuation": protocol.make_send_continuation,
    "protocol.Protocol.send_text": protocol.make_send_text,
    "protocol.Protocol.send_binary": protocol.make_send_binary,
}

# The same for each of the host's interfaces, by its package.
_INTERFACES: Final[dict[str, _Makers]] = {
    "asyncio": {
        "asyncio.messages.Assembler.get": messages.make_asyncio_get,
        "asyncio.messages.Assembler.put": messages.make_asyncio_put,
        "asyncio.connection.Connection.process_event": connections.make_process_event,
        "asyncio.connection.Connection.send": connections.make_asyncio_send,
    },
    "sync": {
        "sync.messages.Assembler.get": messages.make_sync_get,
        "sync.messages.Assembler.put": messages.make_sync_put,
        "sync.connection.Connection.process_event": connections.make_process_event,
        "sync.connection.Connection.send": connections.make_sync_send,
    },
    "trio": {
        "trio.messages.Assembler.get": messages.make_trio_get,
        "trio.connection.Connection.process_event": connections.make_process_event,
    },
}

_REPLACED_LEGACY: Final[_Makers] = {
    "legacy.framing.prepare_data": legacy.make_prepare_data,
    "legacy.framing.Frame.read": legacy.make_read,
    "legacy.protocol.WebSocketCommonProtocol.read_message": legacy.make_read_message,
}


def _seams(backend: ModuleType) -> list[Seam]:
    return make_seams(_package(), KNOWN, _REPLACED, backend, ("utils.apply_mask",))


def _package() -> ModuleType:
    return sys.modules["websockets"]


def _interface_seams(name: str, backend: ModuleType) -> list[Seam]:
    package = _package()
    seams = make_seams(package, KNOWN_PARTS[name], _INTERFACES[name], backend)
    if name in KNOWN_SEND_CONTEXT:
        _check_send_context(package, name)
    decoder = Seam.find(package, f"{name}.messages.UTF8Decoder")
    if decoder.current() is not codecs.getincrementaldecoder("utf-8"):
        raise HostError(f"{decoder.path} has been replaced by something else")
    return [*seams, decoder.with_replacement(messages.make_decoder_class(backend))]


def _legacy_seams(backend: ModuleType) -> list[Seam]:
    return make_seams(_package(), KNOWN_PARTS["legacy"], _REPLACED_LEGACY, backend, ("legacy.framing.prepare_data",))


def _check_send_context(package: ModuleType, name: str) -> None:
    seam = Seam.find(package, f"{name}.connection.Connection.send_context")
    function = getattr(seam.current(), "__wrapped__", None)
    if not isinstance(function, FunctionType) or function.__module__ != f"{package.__name__}.{name}.connection":
        raise HostError(f"{seam.path} has been replaced by something else")
    if digest(function, seam.path) not in KNOWN_SEND_CONTEXT[name]:
        raise HostError(f"{seam.path} is not what the adapter was written against")


def _replaced_paths() -> tuple[str, ...]:
    """Everything that may be replaced: what belongs to an interface is, where the program imports it."""
    tables = [_REPLACED, *_INTERFACES.values(), _REPLACED_LEGACY]
    decoders = [f"{name}.messages.UTF8Decoder" for name in _INTERFACES]
    return tuple([f"websockets.{path}" for path in (*[path for table in tables for path in table], *decoders)])


HOST: Final = Host(
    name="websockets",
    distribution="websockets",
    package="websockets",
    tried="14.1 to 17.4",
    depth="protocol",
    replaces=_replaced_paths(),
    cannot_reach="zlib's time; connections opened before keep their parser; asyncio's and sync's way from the socket",
    seams=_seams,
    modules=(
        "websockets.protocol",
        "websockets.frames",
        "websockets.streams",
        "websockets.utils",
        "websockets.extensions.permessage_deflate",
    ),
    parts={
        **{f"websockets.{name}.connection": partial(_interface_seams, name) for name in _INTERFACES},
        "websockets.legacy.protocol": _legacy_seams,
    },
)
