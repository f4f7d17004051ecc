"""Kinds of command-line values that several commands take."""

from __future__ import annotations

import argparse

__all__ = ["name_list", "positive"]


def name_list(value: str) -> list[str]:
    """Names with commas between them."""
    names = [name.strip() for name in value.split(",")]
    if not all(names):
        raise argparse.ArgumentTypeError(f"names with commas between them are expected, not {value!r}")
    return names


def positive(value: str) -> int:
    """A whole number, 1 at least."""
    if not value.isdecimal() or int(value) == 0:
        raise argparse.ArgumentTypeError(f"a whole number from 1 on is expected, not {value!r}")
    return int(value)
