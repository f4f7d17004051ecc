"""lomond: masking, the UTF-8 check, frame building and the decoding of text.

Tried with 0.3.3 and 0.3.4, with wsaccel and without. ``_REPLACED`` lists what is replaced, and ``_KNOWN`` what
the replacements rely on. ``fastws.restore("lomond")`` undoes it, also for connections that are open.

The validator is replaced where it is the host's own. Where the host found ``wsaccel`` when it was imported, that one
stays; what it would find out is told to it.

Out of reach: frames are parsed by a generator that waits for each part of them.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Final

from .host import Host
from .random_source import SYSTEM_RANDOM
from .seams import make_seams
from .utf8_automaton import ACCEPT, REJECT, advance

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FunctionType, ModuleType

    from .host import Seam

__all__ = ["HOST"]

# Globals of the host's modules. The replacements read them there, see `rebase`; here they only have a name.
make_masking_key: Any = None
UTF8VALIDATOR_DFA_S: Any = None

# Where wsaccel's validator comes from. It goes through the same automaton, and its state can be set.
_WSACCEL: Final = ("wsaccel.utf8validator", "fastws.hosts.wsaccel")

# Up to so many bytes wsaccel is as fast.
_SHORT: Final = 256

# What the replacements do the work of, or rely on, and its digests in the versions named above.
_KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "mask.mask_payload": ("1b26e50e7b432f70",),
    "frame.Frame.__init__": ("66ca6139384e22e9",),
    "frame.Frame.build": ("18a1560aa95f3d73",),
    "frame.Frame.to_bytes": ("5d11f7ef3d2d696c",),
    "parser._ReadUtf8.validate": ("3f87cebcaa59506b",),
    "message.Text.__init__": ("0d9743f0d6889a2e",),
    "message.Text.from_payload": ("3a8d0128f78ff951",),
}

# The same for the host's own validator, which is not there where the host found wsaccel.
_KNOWN_VALIDATOR: Final[dict[str, tuple[str, ...]]] = {
    "utf8validator.Utf8Validator.__init__": ("23c3c8d09e0d1fd1",),
    "utf8validator.Utf8Validator.reset": ("203b6e3bea01d7d3",),
    "utf8validator.Utf8Validator.validate": ("7a41a7b26bf89702",),
}


def _make_mask_payload(plain: FunctionType, backend: ModuleType) -> Any:
    mask_inplace = backend.mask_inplace

    def mask_payload(masking_key: Any, data: Any) -> Any:
        if type(data) is not bytearray or type(masking_key) is not bytes or len(masking_key) != 4:
            return plain(masking_key, data)
        mask_inplace(data, masking_key)
        return None

    return mask_payload


def _make_validate(plain: FunctionType, backend: ModuleType) -> Any:
    is_utf8, accept, reject, go = backend.is_utf8, ACCEPT, REJECT, advance

    def validate(self: Any, ba: Any) -> Any:
        n = len(ba)
        if not n or type(self._state) is not int or not (type(ba) is bytes or type(ba) is bytearray):
            return plain(self, ba)
        if self._state == accept and is_utf8(ba):
            self._index += n
            return True, True, n, self._index
        state, position = go(ba, self._state, UTF8VALIDATOR_DFA_S, backend)
        self._state = state
        self._index += position
        if state == reject:
            return False, False, position, self._index
        return True, state == accept, n, self._index

    return validate


def _make_read_utf8_validate(plain: FunctionType, backend: ModuleType) -> Any:
    host = sys.modules["lomond.utf8validator"]
    wsaccel = host.Utf8Validator if host.Utf8Validator.__module__ in _WSACCEL else None
    table, reject, go, short = host.UTF8VALIDATOR_DFA, REJECT, advance, _SHORT

    def validate(self: Any, data: Any) -> Any:
        validator = self.utf8_validator
        if type(validator) is wsaccel and len(data) > short and (type(data) is bytes or type(data) is bytearray):
            state, accepted = go(data, validator.state, table, backend)
            if state != reject:
                validator.state = state
                validator.i += accepted
                return None
        return plain(self, data)

    return validate


def _make_build(plain: FunctionType, backend: ModuleType) -> Any:
    encode_frame, encode_header, mask_inplace = backend.encode_frame, backend.encode_header, backend.mask_inplace
    new_key, host_key, zero, one, data_opcodes = backend.new_key, _host_key(plain), 0, 1, (0, 1, 2)

    def build(
        cls: Any,
        opcode: Any,
        payload: Any = b"",
        fin: Any = 1,
        rsv1: Any = 0,
        rsv2: Any = 0,
        rsv3: Any = 0,
        mask: Any = True,
        masking_key: Any = None,
    ) -> Any:
        if not (
            mask is True
            and type(opcode) is int
            and opcode in data_opcodes
            and (type(payload) is bytearray or type(payload) is bytes)
            and (fin is one or fin is zero)
            and (rsv1 is one or rsv1 is zero)
            and (rsv2 is one or rsv2 is zero)
            and (rsv3 is one or rsv3 is zero)
            and (masking_key is None or (type(masking_key) is bytes and len(masking_key) == 4))
        ):
            return plain(cls, opcode, payload, fin, rsv1, rsv2, rsv3, mask, masking_key)
        if masking_key is None:
            masking_key = new_key() if make_masking_key is host_key else make_masking_key()
            if type(masking_key) is not bytes or len(masking_key) != 4:
                return plain(cls, opcode, payload, fin, rsv1, rsv2, rsv3, mask, masking_key)
        if type(payload) is bytes:
            return encode_frame(opcode, payload, fin=fin, rsv1=rsv1, rsv2=rsv2, rsv3=rsv3, key=masking_key)
        header = encode_header(opcode, len(payload), fin=fin, rsv1=rsv1, rsv2=rsv2, rsv3=rsv3, key=masking_key)
        mask_inplace(payload, masking_key)  # the host's callers see that, too
        return b"".join((header, payload))

    return build


def _host_key(build: FunctionType) -> Any:
    """What the host draws keys with, where it comes down to the system's generator; else nothing that it could be."""
    found = build.__globals__["make_masking_key"]
    if type(found) is functools.partial and found.func is SYSTEM_RANDOM and found.args == (4,) and not found.keywords:
        return found
    return object()


def _make_from_payload(plain: FunctionType, backend: ModuleType) -> Any:
    # The pure twin has nothing faster than what the host does.
    decode_text = bytes.decode if backend.kernel_name() == "none" else backend.decode_text

    def from_payload(cls: Any, payload: Any) -> Any:
        if type(payload) is bytes:
            try:
                text = decode_text(payload)
            except ValueError:
                text = None  # the host's own decoder tells what is wrong
            if text is not None:
                return cls(text)
        return plain(cls, payload)

    return from_payload


# The adapter ----------------------------------------------------------------------------------------------------------

# what is replaced, below the package → how its replacement is made
_REPLACED: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    "mask.mask_payload": _make_mask_payload,
    "frame.Frame.build": _make_build,
    "parser._ReadUtf8.validate": _make_read_utf8_validate,
    "message.Text.from_payload": _make_from_payload,
}

_REPLACED_VALIDATOR: Final[dict[str, Callable[[FunctionType, ModuleType], Any]]] = {
    "utf8validator.Utf8Validator.validate": _make_validate,
}

# What other modules of the host have imported by name.
_IMPORTED_BY_NAME: Final = ("mask.mask_payload",)


def _seams(backend: ModuleType) -> list[Seam]:
    package = sys.modules["lomond"]
    found = sys.modules["lomond.utf8validator"].Utf8Validator
    own = found.__module__ not in _WSACCEL
    known = {**_KNOWN, **_KNOWN_VALIDATOR} if own else _KNOWN
    replaced = {**_REPLACED, **_REPLACED_VALIDATOR} if own else _REPLACED
    return make_seams(package, known, replaced, backend, _IMPORTED_BY_NAME)


HOST: Final = Host(
    name="lomond",
    distribution="lomond",
    package="lomond",
    tried="0.3.3 and 0.3.4",
    depth="mask",
    replaces=tuple([f"lomond.{path}" for path in (*_REPLACED, *_REPLACED_VALIDATOR)]),
    cannot_reach="frames are parsed by the host's generator, which waits for each part of them",
    seams=_seams,
    modules=tuple([f"lomond.{name}" for name in ("websocket", "frame", "mask", "message", "parser", "utf8validator")]),
)
