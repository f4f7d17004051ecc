"""permessage-deflate (RFC 7692), the host's default: messages in one frame inflated, and messages deflated.

The extension of a connection stays the host's object, with its zlib objects and its settings. Here is only the usual
case of what its ``decode`` and ``encode`` do: a message in one frame, and a context that is kept from message to
message. Everything else, errors included, is left to these two.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from ..replay import Replay
from .stand_in import StandIn

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["make_deflate", "make_inflate", "make_only_extension"]

_MODULE: Final = "extensions.permessage_deflate"

# What a sync flush ends with, and a sender leaves out (RFC 7692 §7.2.1).
_TAIL: Final = b"\x00\x00\xff\xff"

# The host inflates data of fewer bytes than this in one step, with the tail behind it.
_INFLATED_IN_ONE_STEP: Final = 2044

# The host does not copy data of so many bytes to leave the tail out.
_NOT_COPIED: Final = 2048


def _permessage_deflate(package: str) -> Any:
    return sys.modules[f"{package}.{_MODULE}"].PerMessageDeflate


def make_only_extension(package: str, method: str) -> Callable[[Any], Any]:
    """What finds the host's permessage-deflate, where a connection has that extension and no other.

    Args:
        package: the host.
        method: "decode" or "encode"; one that was replaced, in the class or on the instance, is not the host's.
    """
    plain = vars(_permessage_deflate(package))[method]

    def only_extension(extensions: Any) -> Any:
        """The extension, or None."""
        if type(extensions) is not list or len(extensions) != 1:
            return None
        extension = extensions[0]
        return extension if getattr(getattr(extension, method, None), "__func__", None) is plain else None

    return only_extension


def make_inflate(package: str) -> Callable[[Any, Any, Any, Any], Any]:
    plain_decode, frame_class = _permessage_deflate(package).decode, sys.modules[f"{package}.frames"].Frame
    tail, one_step, replay, stand_in = _TAIL, _INFLATED_IN_ONE_STEP, Replay, StandIn

    def inflate(extension: Any, opcode: Any, payload: Any, max_size: Any) -> Any:
        """The data of a compressed message in one frame.

        Args:
            max_size: as for the host's ``decode``, which raises what there is to raise.
        """
        if len(payload) < one_step and not extension.remote_no_context_takeover:
            decoder, data, failure = extension.decoder, None, None
            try:
                data = decoder.decompress(payload + tail, 0 if max_size is None else max_size)
                if not decoder.unconsumed_tail:
                    return data
            except Exception as error:
                failure = error
            # The host's function finds this step made, and goes on from there.
            extension = stand_in(extension, decoder=replay(decoder, "decompress", data, failure))
            del failure
        compressed = frame_class(opcode, payload, True, True)
        return plain_decode(extension, compressed, max_size=max_size).data

    return inflate


def make_deflate(package: str) -> Callable[[Any, Any, Any], Any]:
    tail, not_copied = _TAIL, _NOT_COPIED
    sync_flush = sys.modules[f"{package}.{_MODULE}"].zlib.Z_SYNC_FLUSH

    def deflate(extension: Any, data: Any, fin: Any) -> Any:
        """What a data frame carries: the next piece of a message, or the last, compressed."""
        encoder = extension.encoder
        data = encoder.compress(data) + encoder.flush(sync_flush)
        if not fin:
            return data
        assert data[-4:] == tail
        return data[:-4] if len(data) < not_copied else memoryview(data)[:-4]

    return deflate
