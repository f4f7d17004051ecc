"""Names of test cases that every process gives alike, as those that share the work must."""

from __future__ import annotations

from typing import Any

_LONGEST = 24


def named(value: Any) -> str:
    """A value as the name of a test case: without the address of an object."""
    shown = f"memoryview({bytes(value)!r})" if isinstance(value, memoryview) else repr(value)
    return shown[:_LONGEST]
