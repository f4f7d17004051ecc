"""Which CPU the processes of a measurement run on."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["one_cpu"]


@contextmanager
def one_cpu() -> Iterator[None]:
    """Keep this thread, and the processes that it starts, on one and the same CPU, where the system lets one choose.

    Two processes that wake each other for each message take up to three times as long, CPU time too, when they are on
    two CPUs that fall asleep between; and the system decides anew in each run whether they are.
    """
    if sys.platform != "linux":
        yield
        return
    before = os.sched_getaffinity(0)
    # The first one has most of the interrupts.
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
