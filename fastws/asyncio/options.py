"""What clients and servers make of their arguments."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from .._version import __version__
from ..deflate import Deflate

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TypeAlias

    #: Header lines: pairs of name and value, or a mapping.
    HeadersLike: TypeAlias = Mapping[str, str] | Iterable[tuple[str, str]]

__all__ = ["PRODUCT", "as_deflate", "as_marks", "as_pairs", "as_sizes"]

#: What the User-Agent and Server headers say.
PRODUCT: Final = "Python/{}.{} fastws/{}".format(*platform.python_version_tuple()[:2], __version__)


def as_deflate(compression: str | Deflate | None) -> Deflate | None:
    """What ``compression`` means: None, "deflate" for the defaults, or a ``Deflate``."""
    if compression is None or isinstance(compression, Deflate):
        return compression
    if compression != "deflate":
        raise ValueError(f"compression is 'deflate', a Deflate or None, not {compression!r}")
    return Deflate()


def as_marks(limit: int | tuple[int, int | None]) -> tuple[int, int]:
    """The high-water mark, and the low-water one, which is a quarter of it where nothing else is said.

    Raises:
        ValueError: these are none.
    """
    high, low = limit if isinstance(limit, tuple) else (limit, None)
    if low is None:
        low = high // 4
    if not 0 <= low <= high:
        raise ValueError(f"the marks are ({high}, {low}), where high is not below low, and low not below 0")
    return high, low


def as_pairs(headers: HeadersLike | None) -> list[tuple[str, str]]:
    """Header lines as pairs; of a ``Headers``, of this or of another library, every line by itself."""
    if headers is None:
        return []
    lines: Any = headers
    if hasattr(lines, "raw_items"):
        lines = lines.raw_items()
    elif isinstance(lines, Mapping):
        lines = lines.items()
    return [(name, value) for name, value in lines]


def as_sizes(limit: int | tuple[int | None, int | None] | None) -> dict[str, int | None]:
    """What a ``Connection`` takes: the limits for a message, and for each fragment of it."""
    message, frame = limit if isinstance(limit, tuple) else (limit, None)
    return {"max_message_size": message, "max_frame_size": frame}
