"""The codec's ``parse_frame`` and ``parse_messages``, for hosts that have a mask function of their own.

Where the codec is not compiled the host's function may be; then it does the unmasking, and nothing else changes.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .._pure.buffers import as_flat
from .._pure.frame import FrameParser

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

__all__ = ["frame_parsers"]


def frame_parsers(
    backend: ModuleType, unmask: Callable[[bytes, bytes], bytes]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """``parse_frame`` and ``parse_messages``.

    Args:
        backend: the twin of the codec.
        unmask: XORs bytes with a key of 4 bytes, where the codec is not compiled.
    """
    if backend.kernel_name() != "none":
        return backend.parse_frame, backend.parse_messages
    return partial(_parse, FrameParser.parse, unmask), partial(_parse, FrameParser.parse_messages, unmask)


def _parse(
    parse: Callable[..., Any],
    unmask: Callable[[bytes, bytes], bytes],
    data: Any,
    offset: int = 0,
    *,
    role: Any,
    max_frame_size: int | None,
    decode: bool = False,
    payload_as: str = "bytes",
    minimal_length: bool = True,
    **options: Any,
) -> Any:
    parser = FrameParser(role, max_frame_size, decode, payload_as, minimal_length, unmask)
    return parse(parser, as_flat(data), offset, **options)
