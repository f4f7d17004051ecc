"""The codec that a program in this folder was started for: it must be the one in the environment, or the test is void.

The programs here are run by test_lifetime.py, each in an interpreter of its own, with the kernel's name as argument:
they measure memory, fork, or try what must not bring the interpreter down. They succeed by ending well.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from fastws import ProtocolError, backend_name
from fastws.backend import backend

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

codec: ModuleType = backend
kernel = sys.argv[1]
is_native = backend_name() == "native"

assert codec.kernel_name() == kernel, codec.kernel_name()


def attempt(call: Callable[..., object], *args: object, **kwargs: object) -> object:
    """What a call returns, or the error that it may refuse its arguments with."""
    try:
        return call(*args, **kwargs)
    except (ArithmeticError, AttributeError, BufferError, ProtocolError, TypeError, ValueError) as error:
        return error
