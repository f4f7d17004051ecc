"""The cases of the kernels: bytes a second of each CPU kernel, beside the best that pure Python does."""

from __future__ import annotations

from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Final

from fastws import _pure
from fastws.backend import backend, why_not_native

from .case import Case, Contender
from .payloads import KEY, KIB, MIB, binary, size_name, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

__all__ = ["kernel_cases", "selected"]

_SIZES: Final = (16, 64, 125, KIB, 64 * KIB, MIB)
_TEXT_SIZES: Final = (64, KIB, 64 * KIB, MIB)


def kernel_cases() -> list[Case]:
    """Mask, UTF-8 validation and text decoding, at sizes from a chat message to what leaves the cache."""
    return [
        *[_case("mask", size_name(n), n, (binary(n), KEY)) for n in _SIZES],
        *[
            _case("is_utf8", f"{shape}, {size_name(n)}", n, (text(shape, n).encode(),))
            for shape in ("ASCII", "Cyrillic", "Chinese", "emoji")
            for n in _TEXT_SIZES
        ],
        *[
            _case("decode_text", f"{shape}, {size_name(n)}", n, (_pure.mask(text(shape, n).encode(), KEY), KEY))
            for shape in ("ASCII", "Latin", "Chinese", "emoji")
            for n in _TEXT_SIZES
        ],
    ]


def _case(function: str, name: str, n: int, args: tuple[Any, ...]) -> Case:
    codec: ModuleType = backend
    kernels = codec.available_kernels()
    contenders = [Contender("pure Python", getattr(_pure, function), args)]
    contenders += [Contender(kernel, getattr(codec, function), args, around=_around(kernel)) for kernel in kernels]
    if not kernels:
        contenders.append(Contender("native", missing=why_not_native() or ""))
    return Case(f"{function}, each kernel", name, tuple(contenders), "byte", n, show="rate")


def _around(kernel: str) -> Callable[[], AbstractContextManager[None]]:
    return lambda: selected(kernel)


@contextmanager
def selected(kernel: str) -> Iterator[None]:
    """Run on another CPU kernel for the time of a ``with`` block."""
    codec: ModuleType = backend
    before = codec._select_kernel(kernel)  # noqa: SLF001 - the entry that is made for this
    try:
        yield
    finally:
        codec._select_kernel(before)  # noqa: SLF001
