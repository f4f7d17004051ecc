"""A call that was made already is answered once; everything else reaches the object itself."""

from __future__ import annotations

import pytest

from fastws.hosts.replay import Replay


class Target:
    def __init__(self) -> None:
        self.calls = 0

    def read(self, size: int) -> bytes:
        self.calls += 1
        return b"x" * size


def test_the_outcome_is_given_once() -> None:
    target = Target()
    replay = Replay(target, "read", b"known")
    assert replay.read(3) == b"known"
    assert target.calls == 0
    assert replay.read(3) == b"xxx"
    assert target.calls == 1


def test_the_failure_is_raised_once() -> None:
    failure = OSError("lost")
    replay = Replay(Target(), "read", failure=failure)
    with pytest.raises(OSError, match="lost") as caught:
        replay.read(3)
    assert caught.value is failure
    assert failure.__context__ is None
    assert replay.read(1) == b"x"


def test_attributes_are_those_of_the_target() -> None:
    target = Target()
    replay = Replay(target, "read", b"")
    assert replay.calls == 0
    replay.calls = 7
    assert target.calls == 7
    with pytest.raises(AttributeError, match="write"):
        replay.write(b"")
