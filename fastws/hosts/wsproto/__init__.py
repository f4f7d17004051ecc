"""wsproto: events, frame parsing and building, mask and text decoding.

Tried with 1.0.0, 1.1.0, 1.2.0, 1.3.0, 1.3.1 and 1.3.2. ``_REPLACED`` lists what is replaced, and ``_KNOWN`` what the
replacements rely on. ``fastws.restore("wsproto")`` undoes it, also for connections that are open and for events that
are being iterated over: after each event every byte and every state is where the host keeps it.

``frames.py`` has the header, the mask and the payload, ``messages.py`` the text, ``taking.py`` what goes straight from
the buffer into an event, ``holding.py`` what does not even go into it, ``events.py`` what ``Connection`` makes of all
that, ``sending.py`` the other direction.

Out of reach: what zlib takes of permessage-deflate, the opening handshake, and the generator that the host resumes for
control frames, extensions and errors. What is merged here is no longer called, so patching it after ``accelerate`` has
no effect: ``Buffer``, ``FrameProtocol.receive_bytes``, ``received_frames``, ``send_data``, ``ping`` and ``pong`` below
``Connection``; and for messages without an extension ``FrameDecoder``, ``MessageDecoder`` and the masker below
``Connection.events``. Subclasses of all these are left to the host.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from ..host import Host
from ..seams import make_seams
from .events import make_events, make_receive_data
from .frames import make_mask, make_parse_header, make_process_buffer
from .messages import make_process_frame
from .sending import make_send, make_serialize_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

    from ..host import Seam

__all__ = ["HOST"]

# What the replacements do the work of, or rely on, and its digests in the versions named above.
_KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "frame_protocol.XorMaskerSimple.__init__": ("a1412c8ee734e9d7",),
    "frame_protocol.XorMaskerSimple.process": ("660b5d82bb44ac50", "0d36b70b7d8428a4"),
    "frame_protocol.XorMaskerNull.process": ("cca6378b0d3cfd36",),
    "frame_protocol.Buffer.__init__": ("fbb3496635e3d16d",),
    "frame_protocol.Buffer.feed": ("6c6b0906ac208158",),
    "frame_protocol.Buffer.consume_at_most": ("2a48c69b74ad87c4",),
    "frame_protocol.Buffer.consume_exactly": ("dcc95c7c5142e79e",),
    "frame_protocol.Buffer.commit": ("7f2320662ec2f741",),
    "frame_protocol.Buffer.rollback": ("7f1589d369e5c426",),
    "frame_protocol.Buffer.__len__": ("c06615b173749c23",),
    "frame_protocol.MessageDecoder.__init__": ("9639d93c91a812a3",),
    "frame_protocol.MessageDecoder.process_frame": ("7a8d9e555e888627", "150be6f2bdd53c45"),
    "frame_protocol.FrameDecoder.__init__": ("54b5a870f98d27ed",),
    "frame_protocol.FrameDecoder.receive_bytes": ("1c27d4f3bb1544c7",),
    "frame_protocol.FrameDecoder.process_buffer": ("ada242b7de7e157b", "ba21c5eff64d6a83"),
    "frame_protocol.FrameDecoder.parse_header": ("4741e7e6f2ee0890", "70ec37ec914b118e"),
    "frame_protocol.FrameDecoder.parse_extended_payload_length": ("466dd41b670b0fb4", "05232f1d9bbd59f4"),
    "frame_protocol.FrameDecoder.extension_processing": ("f86400d0c58ce8e6", "a7e019244295065b"),
    "frame_protocol.FrameProtocol.__init__": ("35e5d6cc9056c14b",),
    "frame_protocol.FrameProtocol._parse_more_gen": ("348105fd2126ef6e",),
    "frame_protocol.FrameProtocol.receive_bytes": ("2b9bd7731bded95d",),
    "frame_protocol.FrameProtocol.received_frames": ("c90af80390713f80",),
    "frame_protocol.FrameProtocol.ping": ("7a972ac7645ddadc",),
    "frame_protocol.FrameProtocol.pong": ("b721b7d253d9098b",),
    "frame_protocol.FrameProtocol.send_data": ("3003b954b8c9ea6c", "8c9e1f843a5730fa"),
    "frame_protocol.FrameProtocol._make_fin_rsv_opcode": ("cf1b6c57c71e34a4",),
    "frame_protocol.FrameProtocol._serialize_frame": ("42425f1eb4376163", "a091e782347bb15a"),
    "connection.Connection.__init__": ("02365318099fc35f",),
    "connection.Connection.send": ("17510e20d23c7fcf", "f89b02474426eb5d", "19372b06a6b42290"),
    "connection.Connection.receive_data": ("b4ee4e25fb9e19aa", "09d76930ff6da120"),
    "connection.Connection.events": ("229aa06a7afabf00", "2e65ede582a1c42e", "59751e0391cedaca"),
}

# what is replaced, below the package → how its replacement is made
_REPLACED: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    "frame_protocol.XorMaskerSimple.process": make_mask,
    "frame_protocol.FrameDecoder.parse_header": make_parse_header,
    "frame_protocol.FrameDecoder.process_buffer": make_process_buffer,
    "frame_protocol.MessageDecoder.process_frame": make_process_frame,
    "frame_protocol.FrameProtocol._serialize_frame": make_serialize_frame,
    "connection.Connection.receive_data": make_receive_data,
    "connection.Connection.events": make_events,
    "connection.Connection.send": make_send,
}


def _seams(backend: ModuleType) -> list[Seam]:
    return make_seams(sys.modules["wsproto"], _KNOWN, _REPLACED, backend)


HOST: Final = Host(
    name="wsproto",
    distribution="wsproto",
    package="wsproto",
    tried="1.0.0 to 1.3.2",
    depth="protocol",
    replaces=tuple([f"wsproto.{path}" for path in _REPLACED]),
    cannot_reach="what zlib takes of permessage-deflate stays; so does the opening handshake",
    seams=_seams,
    modules=("wsproto",),
)
