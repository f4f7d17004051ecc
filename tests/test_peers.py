"""Conversations in memory: a connection with another one, with websockets and with wsproto, and nothing gets lost.

Hypothesis invents them, the opening handshake included: who says what and when, and in which pieces it arrives.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from fastws import Role
from oracles import noise
from peers import Fastws, Websockets, Wsproto
from vectors import ROLES

if TYPE_CHECKING:
    from types import ModuleType

    from peers import Log

# Long ones by name, so that a failure can be read.
_LONG: dict[str, str | bytes] = {
    **{f"<{n} bytes>": noise(n) for n in (125, 126, 5000, 70_000)},
    **{f"<{n} of {letters}>": letters * n for letters, n in (("é", 70), ("€", 5000), ("😀", 90), ("plain ", 20_000))},
}
_DATA = st.one_of(st.text(max_size=30), st.binary(max_size=30), st.sampled_from(sorted(_LONG)))
_SIDES = st.sampled_from([0, 1])


class Conversation(RuleBasedStateMachine):
    """The machine; ``connections`` and ``other`` are set by a subclass."""

    connections: ModuleType
    other: str

    @initialize(role=st.sampled_from(ROLES), compressed=st.booleans(), size=st.integers(1, 300))
    def shake_hands(self, role: Role, compressed: bool, size: int) -> None:
        opposite = Role.SERVER if role is Role.CLIENT else Role.CLIENT
        peers: list[Any] = [Fastws(self.connections, role, compressed=compressed)]
        if self.other == "fastws":
            peers.append(Fastws(self.connections, opposite, compressed=compressed))
        else:
            peers.append({"websockets": Websockets, "wsproto": Wsproto}[self.other](opposite, compressed=compressed))
        self.peers = peers
        # What each has said, in order, and what of it is still on its way to the other.
        self.said: list[Log] = [[], []]
        self.pipes = [b"", b""]
        # The message that each is sending in fragments.
        self.begun: list[list[Any]] = [[], []]
        self.closed: list[int | None] = [None, None]
        for _ in range(4):
            for side in (0, 1):
                self._pump(side)
                while self.pipes[side]:
                    self._deliver(side, size)
        assert [peer.is_open for peer in self.peers] == [True, True]
        assert [peer.is_compressed for peer in self.peers] == [compressed, compressed]
        # The server chooses, and prefers "a".
        assert [peer.subprotocol for peer in self.peers] == ["a", "a"]

    def _pump(self, side: int) -> None:
        self.pipes[side] += self.peers[side].take()

    def _deliver(self, side: int, size: int) -> None:
        """To the other side, the first bytes of what this one has sent; the answers go into the other pipe."""
        data, self.pipes[side] = self.pipes[side][:size], self.pipes[side][size:]
        self.peers[1 - side].give(data)
        self._pump(1 - side)

    def _may_speak(self, side: int) -> bool:
        return bool(self.peers[side].is_open) and self.closed[side] is None

    # What is said

    @rule(side=_SIDES, data=_DATA)
    def send(self, side: int, data: str | bytes) -> None:
        data = _LONG.get(data, data) if isinstance(data, str) else data
        if self._may_speak(side) and not self.begun[side]:
            self.peers[side].send(data)
            self.said[side].append(("text" if isinstance(data, str) else "binary", data))
            self._pump(side)

    @rule(side=_SIDES, data=_DATA, pieces=st.integers(2, 4))
    def send_in_fragments(self, side: int, data: str | bytes, pieces: int) -> None:
        """Some of them now, the others later; they may be empty."""
        data = _LONG.get(data, data) if isinstance(data, str) else data
        if self._may_speak(side) and not self.begun[side] and self.closed == [None, None]:
            size = len(data) // pieces
            self.begun[side] = [data[i * size : (i + 1) * size] for i in range(pieces - 1)]
            self.begun[side] += [data[(pieces - 1) * size :], data]
            self._go_on(side, first=True)
            while self.begun[side] and self._loses_its_place(side):
                self._go_on(side, first=False)

    @rule(side=_SIDES)
    def go_on(self, side: int) -> None:
        if self._may_speak(side) and self.begun[side]:
            self._go_on(side, first=False)

    def _go_on(self, side: int, *, first: bool) -> None:
        fragments = self.begun[side]
        fin = len(fragments) == 2
        self.peers[side].send_fragment(fragments.pop(0), first, fin)
        if fin:
            data = fragments.pop()
            self.said[side].append(("text" if isinstance(data, str) else "binary", data))
        self._pump(side)

    @rule(side=_SIDES, data=st.binary(max_size=125))
    def ping(self, side: int, data: bytes) -> None:
        if self._may_speak(side):
            self.peers[side].ping(data)
            self.said[side].append(("ping", data))
            self._pump(side)

    @precondition(lambda self: sum(map(len, self.said)) > 4)
    @rule(side=_SIDES, code=st.sampled_from([1000, 1001, 3000, 4999]))
    def close(self, side: int, code: int) -> None:
        if self._may_speak(side) and not self._is_inside_a_message():
            self.peers[side].close(code)
            self.closed[side] = code
            self._pump(side)

    def _is_inside_a_message(self) -> bool:
        """Where websockets does not accept a close frame, though RFC 6455 §5.4 allows it."""
        return self.other == "websockets" and any(self.begun)

    def _loses_its_place(self, side: int) -> bool:
        """Whether a control frame between compressed fragments loses its receiver, against RFC 6455 §5.4."""
        return self.other == "wsproto" and side == 0 and bool(self.peers[side].is_compressed)

    # What arrives

    @rule(side=_SIDES, size=st.one_of(st.integers(1, 20), st.integers(1, 5000)))
    def deliver(self, side: int, size: int) -> None:
        self._deliver(side, size)

    @rule(side=_SIDES)
    def deliver_all(self, side: int) -> None:
        self._deliver(side, len(self.pipes[side]))

    @invariant()
    def what_was_said_is_heard(self) -> None:
        """In order, nothing twice, and all of it once the pipe is empty."""
        for side in (0, 1):
            heard = [each for each in self.peers[1 - side].log if each[0] not in ("pong", "close")]
            assert heard == self.said[side][: len(heard)]
            if not self.pipes[side]:
                assert heard == self.said[side]

    @invariant()
    def pings_are_answered(self) -> None:
        """In order; the last ones may meet a close."""
        for side in (0, 1):
            asked = [each[1] for each in self.said[side] if each[0] == "ping"]
            answers = [each[1] for each in self.peers[side].log if each[0] == "pong"]
            assert answers == asked[: len(answers)]
            if not any(self.pipes) and self.closed == [None, None]:
                assert answers == asked

    def teardown(self) -> None:
        """All of it arrives in the end."""
        while any(self.pipes):
            self.deliver_all(0)
            self.deliver_all(1)
        self.what_was_said_is_heard()
        self.pings_are_answered()
        if self.closed != [None, None]:
            self.closes_are_echoed()

    def closes_are_echoed(self) -> None:
        for side in (0, 1):
            told = [each[1] for each in self.peers[1 - side].log if each[0] == "close"]
            assert told == [self.closed[side] or self.closed[1 - side]]
            assert not self.peers[side].is_open


@pytest.mark.parametrize("other", ["fastws", "websockets", "wsproto"])
def test_conversations(connections: ModuleType, other: str) -> None:
    machine = type("Conversation", (Conversation,), {"connections": connections, "other": other})
    # A failure is not made smaller: with long payloads that takes longer than a test may.
    found = settings(max_examples=30, stateful_step_count=40, phases=[Phase.explicit, Phase.generate])
    run_state_machine_as_test(machine, settings=found)
