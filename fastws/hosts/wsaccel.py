"""The interface of the ``wsaccel`` modules, for libraries that look for them when they are imported.

Made after wsaccel 0.6.7: ``wsaccel.xormask`` (``XorMaskerNull``, ``XorMaskerSimple``, ``createXorMasker``) and
``wsaccel.utf8validator`` (``Utf8Validator``). websocket-client, gevent-websocket, eventlet, lomond and old releases of
autobahn try to import these; wsaccel itself is no longer developed, and has no wheels for newer Pythons.

``install()`` registers them under these names, and ``uninstall()`` undoes it. A library binds them once, when it is
imported, so ``install()`` has to come before that, and ``uninstall()`` does not reach what was bound.
``fastws.accelerate()`` does more for all of them, and needs no order.

Not offered: ``patch_autobahn`` and ``patch_ws4py``; C integers that overflow; ``codepoint`` after a byte that was
refused.
"""

from __future__ import annotations

import sys
import threading
from importlib.machinery import ModuleSpec
from operator import index
from types import ModuleType
from typing import Any, Final

from ..backend import backend

__all__ = ["Utf8Validator", "XorMaskerNull", "XorMaskerSimple", "createXorMasker", "install", "uninstall"]

# How C calls what a buffer can hold, for the texts of errors.
_C_NAMES: Final = {
    "b": "signed char",
    "h": "short",
    "H": "unsigned short",
    "i": "int",
    "I": "unsigned int",
    "l": "long",
    "L": "unsigned long",
    "q": "long long",
    "Q": "unsigned long long",
    "f": "float",
    "d": "double",
}


def _as_bytes(data: Any) -> bytes:
    """The bytes of a buffer of one dimension that holds bytes; a strided one is gathered."""
    if type(data) is bytes:
        return data
    try:
        view = memoryview(data)
    except TypeError:
        raise TypeError(f"a bytes-like object is required, not {type(data).__name__!r}") from None
    if view.ndim != 1:
        raise ValueError(f"Buffer has wrong number of dimensions (expected 1, got {view.ndim})")
    if view.format not in ("B", "c"):
        name = _C_NAMES.get(view.format, view.format)
        raise ValueError(f"Buffer dtype mismatch, expected 'const unsigned char' but got {name!r}")
    return view.tobytes()


# wsaccel.xormask ------------------------------------------------------------------------------------------------------


class XorMaskerNull:
    """Masks nothing, and counts what it was given.

    Args:
        mask: not used.
    """

    __slots__ = ("_pointer",)

    def __init__(self, mask: Any = None) -> None:  # noqa: ARG002 (the interface has it)
        self._pointer = 0

    def pointer(self) -> int:
        """Bytes processed since the start or the last ``reset``."""
        return self._pointer

    def reset(self) -> None:
        self._pointer = 0

    def process(self, data: Any) -> Any:
        """Returns ``data`` itself."""
        self._pointer += len(data)
        return data


class XorMaskerSimple:
    """XORs a stream that comes in pieces with a masking key (RFC 6455 §5.3).

    Args:
        mask: the key, 4 bytes.
    Raises:
        ValueError: ``mask`` is not 4 bytes.
        TypeError: ``mask`` is not a bytes-like object.
    """

    __slots__ = ("_key", "_pointer")

    def __init__(self, mask: Any) -> None:
        self._key = b"" if mask is None else _as_bytes(mask)
        if len(self._key) != 4:
            raise ValueError("mask should be 4byte.")
        self._pointer = 0

    def pointer(self) -> int:
        """Bytes processed since the start or the last ``reset``."""
        return self._pointer

    def reset(self) -> None:
        """Go back to the first byte of the key."""
        self._pointer = 0

    def process(self, data: Any) -> bytes:
        """XOR the next piece.

        Args:
            data: a buffer of n bytes; None stands for none.
        Returns: n new bytes.
        """
        if data is None:
            return b""
        data = _as_bytes(data)
        masked = backend.mask(data, self._key, self._pointer & 3)
        self._pointer += len(data)
        return masked


def createXorMasker(mask: Any, len: Any = None) -> XorMaskerSimple:  # noqa: A002, ARG001, N802 (the interface)
    """A masker for a message of ``len`` bytes; the length makes no difference."""
    return XorMaskerSimple(mask)


# wsaccel.utf8validator ------------------------------------------------------------------------------------------------

_ACCEPT: Final = 0
_REJECT: Final = 1

# Inside a code point: which bytes may follow, and the state after them (RFC 3629 §4). 2 and 3 wait for one and two
# more bytes; 4 and 5 are the three-byte forms that start with E0 and ED; 6, 7 and 8 the four-byte ones.
_CONTINUED: Final = {
    2: (0x80, 0xBF, _ACCEPT),
    3: (0x80, 0xBF, 2),
    4: (0xA0, 0xBF, 2),
    5: (0x80, 0x9F, 2),
    6: (0x90, 0xBF, 3),
    7: (0x80, 0xBF, 3),
    8: (0x80, 0x8F, 3),
}

# Between code points: the first and the last byte of a range, the state after it, the bits that count.
_STARTED: Final = (
    (0x00, 0x7F, _ACCEPT, 0x7F),
    (0xC2, 0xDF, 2, 0x1F),
    (0xE0, 0xE0, 4, 0x0F),
    (0xED, 0xED, 5, 0x0F),
    (0xE1, 0xEF, 3, 0x0F),
    (0xF0, 0xF0, 6, 0x07),
    (0xF1, 0xF3, 7, 0x07),
    (0xF4, 0xF4, 8, 0x07),
)


def _step(state: int, codepoint: int, byte: int) -> tuple[int, int]:
    """State and code point after one more byte."""
    if state == _ACCEPT:
        for low, high, after, bits in _STARTED:
            if low <= byte <= high:
                return after, byte & bits
    elif state in _CONTINUED:
        low, high, after = _CONTINUED[state]
        if low <= byte <= high:
            return after, codepoint << 6 | byte & 0x3F
    return _REJECT, 0


def _state_after(data: bytes) -> tuple[int, int]:
    """State after text that starts at a code point, and the offset of the first byte that cannot be, or its length."""
    if backend.is_utf8(data):
        return _ACCEPT, len(data)
    validator = backend.Utf8Validator()
    try:
        validator.feed(data)
    except ValueError:
        return _REJECT, validator.offset
    start = len(data) - 1
    while data[start] < 0xC0:
        start -= 1
    state = _ACCEPT
    for byte in data[start:]:
        state, _ = _step(state, 0, byte)
    return state, len(data)


class Utf8Validator:
    """Checks text that comes in pieces (RFC 3629). Once refused, all is refused until ``reset``.

    Attributes:
        i: bytes accepted since the start or the last ``reset``.
        state: 0 between code points, 1 once refused, 2 to 8 inside a code point.
        codepoint: what ``decode`` has gathered.
    """

    __slots__ = ("codepoint", "i", "state")

    UTF8_ACCEPT: Final = _ACCEPT
    UTF8_REJECT: Final = _REJECT

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.i = 0
        self.state = _ACCEPT
        self.codepoint = 0

    def decode(self, b: int) -> int:
        """Take one byte.

        Returns: the new state; at 0, ``codepoint`` is complete.
        """
        self.state, self.codepoint = _step(self.state, self.codepoint, index(b) & 0xFF)
        return self.state

    def validate(self, buf: Any) -> tuple[bool, bool, int, int]:
        """Check the next piece.

        Args:
            buf: a buffer of n bytes, cut anywhere.
        Returns: whether it is valid so far; whether it ends on a code point; bytes of this piece that are accepted,
            n or the offset of the first that cannot be; and the same of all pieces.
        """
        data = _as_bytes(buf)
        if not data:
            return True, self.state == _ACCEPT, 0, self.i
        accepted = self._accept(data)
        self.i += accepted
        return self.state != _REJECT, self.state == _ACCEPT, accepted, self.i

    def _accept(self, data: bytes) -> int:
        """Set the state after ``data``; the number of its bytes that are accepted."""
        position, state = 0, self.state
        while state != _ACCEPT and position < len(data):
            state, _ = _step(state, 0, data[position])
            if state == _REJECT:
                self.state = state
                return position
            position += 1
        if position < len(data):
            state, accepted = _state_after(data[position:])
            position += accepted
        self.state = state
        return position


# The modules ----------------------------------------------------------------------------------------------------------

_MISSING: Final = object()
_lock: Final = threading.Lock()

# module name → what was in ``sys.modules`` before, while this one is installed
_before: Final[dict[str, Any]] = {}


def _module(name: str, **contents: Any) -> ModuleType:
    module = ModuleType(name, __doc__)
    module.__spec__ = ModuleSpec(name, None, origin=__name__, is_package=name == "wsaccel")
    module.__dict__.update(contents)
    return module


def install() -> None:
    """Let ``import wsaccel`` find this module, in this process. Installed twice is installed."""
    with _lock:
        if _before:
            return
        xormask = _module(
            "wsaccel.xormask",
            XorMaskerNull=XorMaskerNull,
            XorMaskerSimple=XorMaskerSimple,
            createXorMasker=createXorMasker,
        )
        utf8validator = _module("wsaccel.utf8validator", Utf8Validator=Utf8Validator)
        package = _module("wsaccel", xormask=xormask, utf8validator=utf8validator, __path__=[], __version__="0.6.7")
        for module in (package, xormask, utf8validator):
            _before[module.__name__] = sys.modules.get(module.__name__, _MISSING)
            sys.modules[module.__name__] = module


def uninstall() -> None:
    """Undo ``install``: ``import wsaccel`` finds what it found before."""
    with _lock:
        for name, module in _before.items():
            if module is _MISSING:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
        _before.clear()
