"""Stateful: a conversation that Hypothesis invents, step by step, held with both twins at once.

Frames good and bad go into a stream that arrives in pieces of any size; control frames stand between fragments, limits
are met and passed, callers make mistakes, and everything goes on after an error and after a close. After every step
both twins have done the same. While nothing bad was sent, a model that knows only what was meant says what must come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import settings
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
from oracles import frame, header, noise
from outcomes import outcome, plain, told_all
from vectors import BAD_TEXTS, ROLES, Event, binary, close, ping, pong, text

if TYPE_CHECKING:
    from types import ModuleType

_TEXTS = st.one_of(st.text(max_size=30), st.sampled_from(["é" * 70, "€" * 50, "😀" * 90, "plain " * 60]))
_BYTES = st.one_of(st.binary(max_size=30), st.integers(0, 700).map(noise))
_CONTROL = st.binary(max_size=125)
_LIMITS = st.sampled_from([None, None, 2**63 - 1, 2000, 300, 64])
_SIZES = st.one_of(st.integers(1, 20), st.integers(1, 3000))


class Conversation(RuleBasedStateMachine):
    """The machine; ``pure`` and ``twin`` are set by a subclass."""

    pure: ModuleType
    twin: ModuleType

    @initialize(
        role=st.sampled_from(ROLES),
        limit=_LIMITS,
        max_fragments=st.sampled_from([None, 65_536, 4]),
        text_as=st.sampled_from(["str", "bytes"]),
        minimal_length=st.booleans(),
        rsv1=st.booleans(),
    )
    def start(
        self, role: Role, limit: int | None, max_fragments: int | None, text_as: str, minimal_length: bool, rsv1: bool
    ) -> None:
        self.role = role
        self.limit = limit
        self.max_fragments = max_fragments
        self.text_as = text_as
        self.pairs = [
            [codec.FrameDecoder(role, max_frame_size=limit, minimal_length=minimal_length) for codec in self._codecs()],
            [
                codec.MessageDecoder(
                    role,
                    max_message_size=limit,
                    max_fragments=max_fragments,
                    text_as=text_as,
                    minimal_length=minimal_length,
                    rsv1=rsv1,
                )
                for codec in self._codecs()
            ],
            [codec.Utf8Validator() for codec in self._codecs()],
        ]
        # What was sent and has not arrived, and how many keys were used.
        self.stream = b""
        self.keys = 0
        # The model: what must come of what was sent, and what came; None once something bad was sent.
        self.expected: list[Event] | None = []
        self.told: list[Event] = []
        # The message that has begun: its bytes, its frames and whether it is text.
        self.message: bytes | None = None
        self.fragments = 0
        self.is_text = False

    def _codecs(self) -> tuple[ModuleType, ModuleType]:
        return self.pure, self.twin

    def _send(self, first: int, payload: bytes, form: int | None = None) -> None:
        key = noise(4, str(self.keys)) if self.role is Role.SERVER else None
        self.keys += 1
        self.stream += frame(first, payload, key, form)

    def _expect(self, event: Event) -> None:
        if self.expected is not None and not (self.expected and self.expected[-1][0] == "Close"):
            self.expected.append(event)

    def _expect_message(self, data: bytes, is_text: bool) -> None:
        event = text(data.decode()) if is_text else binary(data)
        self._expect((event[0], data, event[2]) if self.text_as == "bytes" else event)

    def _count(self, payload: bytes) -> None:
        """Drop the model where a limit is passed: what comes of that is another test's matter."""
        self.message = (self.message or b"") + payload
        self.fragments += 1
        too_big = self.limit is not None and len(self.message) > self.limit
        too_many = self.max_fragments is not None and self.fragments > self.max_fragments
        if too_big or too_many:
            self.expected = None

    # Good frames

    @precondition(lambda self: self.message is None)
    @rule(content=_TEXTS)
    def send_text(self, content: str) -> None:
        data = content.encode()
        self._count(data)
        self._send(0x81, data)
        self._expect_message(data, is_text=True)
        self._end()

    @precondition(lambda self: self.message is None)
    @rule(content=_BYTES)
    def send_binary(self, content: bytes) -> None:
        self._count(content)
        self._send(0x82, content)
        self._expect_message(content, is_text=False)
        self._end()

    @precondition(lambda self: self.message is None)
    @rule(content=_BYTES)
    def begin_binary(self, content: bytes) -> None:
        self.is_text = False
        self._count(content)
        self._send(0x02, content)

    @precondition(lambda self: self.message is None)
    @rule(content=_TEXTS, cut=st.integers(0, 3))
    def begin_text(self, content: str, cut: int) -> None:
        """Some bytes of the text are held back for the next fragment, be it inside a code point."""
        data = content.encode()
        self.is_text = True
        self.held_back = data[len(data) - cut :] if cut else b""
        data = data[: len(data) - cut] if cut else data
        self._count(data)
        self._send(0x01, data)

    @precondition(lambda self: self.message is not None)
    @rule(content=_TEXTS, last=st.booleans())
    def go_on(self, content: str, last: bool) -> None:
        data = content.encode()
        if self.is_text:
            data, self.held_back = self.held_back + data, b""
        self._count(data)
        self._send(0x80 if last else 0x00, data)
        if last:
            assert self.message is not None
            self._expect_message(self.message, self.is_text)
            self._end()

    @precondition(lambda self: self.message is not None and (not self.is_text or not self.held_back))
    @rule(count=st.integers(1, 6))
    def send_empty_fragments(self, count: int) -> None:
        for _ in range(count):
            self._count(b"")
            self._send(0x00, b"")

    def _end(self) -> None:
        self.message = None
        self.fragments = 0

    @rule(content=_CONTROL, is_ping=st.booleans())
    def send_ping_or_pong(self, content: bytes, is_ping: bool) -> None:
        self._send(0x89 if is_ping else 0x8A, content)
        self._expect(ping(content) if is_ping else pong(content))

    @rule(code=st.sampled_from([1000, 1001, 1014, 3000, 4999]), reason=st.sampled_from(["", "bye", "tschüß"]))
    def send_close(self, code: int, reason: str) -> None:
        self._send(0x88, code.to_bytes(2, "big") + reason.encode())
        self._expect(close(code, reason))

    # Bad ones

    @rule(first=st.integers(0, 255), content=_CONTROL)
    def send_any_frame(self, first: int, content: bytes) -> None:
        self._send(first, content)
        self.expected = None

    @rule(content=st.sampled_from(BAD_TEXTS), first=st.sampled_from([0x81, 0x01, 0x00, 0x80]))
    def send_bad_text(self, content: bytes, first: int) -> None:
        self._send(first, content)
        self.expected = None

    @rule(payload=st.sampled_from([b"\3", b"\3\xe7", b"\3\xed", b"\xff\xff", b"\3\xe8\xff", b"\3\xe8\xe2\x82"]))
    def send_bad_close(self, payload: bytes) -> None:
        self._send(0x88, payload)
        self.expected = None

    @rule(first=st.sampled_from([0x81, 0x82, 0x00, 0x80]), form=st.sampled_from([16, 64]), n=st.integers(0, 130))
    def send_long_length(self, first: int, form: int, n: int) -> None:
        self._send(first, b"x" * n, form)
        self.expected = None

    @rule(length=st.sampled_from([2**16, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1]))
    def promise(self, length: int) -> None:
        self.stream += header(0x02, length, noise(4) if self.role is Role.SERVER else None)
        self.expected = None

    @rule(junk=st.binary(min_size=1, max_size=20))
    def send_junk(self, junk: bytes) -> None:
        self.stream += junk
        self.expected = None

    # Arrival

    @rule(size=_SIZES)
    def deliver(self, size: int) -> None:
        self._feed(self.stream[:size])
        self.stream = self.stream[size:]

    @rule()
    def deliver_all(self) -> None:
        self._feed(self.stream)
        self.stream = b""

    @rule(n=st.integers(1, 40))
    def deliver_bytewise(self, n: int) -> None:
        for i in range(min(n, len(self.stream))):
            self._feed(self.stream[i : i + 1])
        self.stream = self.stream[n:]

    @rule(mistake=st.sampled_from(["text", None, 5, memoryview(b"abcd")[::2]]))
    def make_a_mistake(self, mistake: object) -> None:
        self._feed(mistake)

    @rule(streaming=st.booleans())
    def tell_fragments(self, streaming: bool) -> None:
        """From now on fragments may come as frames, which the model does not know."""
        for decoder in self.pairs[1]:
            decoder.streaming = streaming
        if streaming:
            self.expected = None

    @rule()
    def reset_validators(self) -> None:
        for validator in self.pairs[2]:
            validator.reset()

    def _feed(self, data: Any) -> None:
        for ours, theirs in self.pairs:
            before = len(self.told)
            expected = outcome(self._fed, ours, data)
            del self.told[before:]
            assert outcome(self._fed, theirs, data) == expected

    def _fed(self, decoder: Any, data: Any) -> object:
        """Feed one decoder, and note what a message decoder tells."""
        events = decoder.feed(data)
        if "MessageDecoder" in type(decoder).__name__:
            self.told += told_all(events)
        return events

    # After every step

    @invariant()
    def states_agree(self) -> None:
        for ours, theirs in self.pairs:
            for name in ("error", "buffered", "closed", "only_messages", "offset", "complete"):
                assert plain(getattr(theirs, name, None)) == plain(getattr(ours, name, None))

    @invariant()
    def good_frames_are_understood(self) -> None:
        if self.expected is None:
            return
        assert self.told == self.expected[: len(self.told)]
        assert self.pairs[1][1].error is None
        if not self.stream:
            assert self.told == self.expected


def test_conversations(pure: ModuleType, twin: ModuleType) -> None:
    machine = type("Twins", (Conversation,), {"pure": pure, "twin": twin})
    run_state_machine_as_test(machine, settings=settings(max_examples=80, stateful_step_count=40))
