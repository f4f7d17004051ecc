"""Lifetime: forks, threads, copies, leaks, and arguments that bite while they are looked at.

What could take the interpreter down, or must be measured alone, is a program in alone/ and runs in a process of its
own.
"""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import fastws
from fastws import ProtocolError, Role
from oracles import frame, noise
from outcomes import outcome, plain
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

_HERE = Path(__file__).parent
_ALONE = (
    *("made_without_init", "steady_memory", "arguments_that_bite", "shared_by_mistake"),
    *(("keys_after_fork",) if hasattr(os, "fork") else ()),
)


@pytest.mark.parametrize("program", _ALONE)
def test_alone(codec: ModuleType, tmp_path: Path, program: str) -> None:
    """The program ends well, and in time, with this codec."""
    kernel = codec.kernel_name()
    choice = {"FASTWS_NO_EXTENSIONS": "1"} if kernel == "none" else {"FASTWS_KERNEL": kernel}
    homes = (Path(fastws.__file__).parent.parent, _HERE)
    done = subprocess.run(  # noqa: S603 - our own interpreter and program
        [sys.executable, "-X", "faulthandler", str(_HERE / "alone" / f"{program}.py"), kernel],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, homes)), **choice},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"


# Threads --------------------------------------------------------------------------------------------------------------


def _in_threads(work: Callable[[int], object], count: int = 6) -> list[Any]:
    """Run work(0) to work(count - 1) at once, each in a thread, from a common start."""
    barrier = threading.Barrier(count, timeout=60)

    def run(i: int) -> object:
        barrier.wait()
        return work(i)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_a_decoder_for_each_thread(codec: ModuleType) -> None:
    """Big frames and small ones, good text and bad, in several threads: each gets its own."""

    def work(i: int) -> object:
        payload, text = noise(300_000, str(i)), f"thread {i} €" * 5000
        wire = frame(0x82, payload, KEY) + frame(0x81, text.encode(), KEY) + frame(0x89, b"%d" % i, KEY) * 50
        for _ in range(5):
            decoder = codec.MessageDecoder(Role.SERVER, max_message_size=None)
            events = decoder.feed(wire[: 100_000 + i]) + decoder.feed(wire[100_000 + i :])
            assert events[:2] == [codec.Message(payload), codec.Message(text)]
            assert events[2:] == [codec.Ping(b"%d" % i)] * 50
            assert codec.decode_text(codec.encode_text(text, KEY), KEY) == text
            buffer = bytearray(payload)
            codec.mask_inplace(buffer, KEY)
            assert codec.mask(buffer, KEY) == payload
            with pytest.raises(ProtocolError):
                decoder.feed(frame(0x81, b"x" * i + b"\xff", KEY))
            assert decoder.error.offset == i
        return True

    assert all(_in_threads(work))


def test_keys_of_several_threads(codec: ModuleType) -> None:
    """No key is given to two threads. Of 24000 keys of 32 bits, 0.07 are equal by chance."""
    drawn = _in_threads(lambda _: [codec.new_key() for _ in range(4000)])
    assert len({key for keys in drawn for key in keys}) > 23_995


# Copies and pickles ---------------------------------------------------------------------------------------------------

_STATEFUL = {
    "FrameDecoder": lambda codec: codec.FrameDecoder(Role.CLIENT, max_frame_size=None),
    "MessageDecoder": lambda codec: codec.MessageDecoder(Role.CLIENT, max_message_size=None),
    "Utf8Validator": lambda codec: codec.Utf8Validator(),
}
_stateful = pytest.mark.parametrize("name", list(_STATEFUL))


@_stateful
def test_decoders_are_neither_copied_nor_pickled(codec: ModuleType, name: str) -> None:
    """Half a stream in two decoders would be decoded twice."""
    decoder = _STATEFUL[name](codec)
    decoder.feed(b"\x81" if name != "Utf8Validator" else b"\xc3")
    message = f"^cannot pickle or copy '{name}' object$"
    for attempt in (copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match=message):
            attempt(decoder)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(TypeError, match=message):
            pickle.dumps(decoder, protocol)


@_stateful
def test_no_attributes_of_their_own(codec: ModuleType, name: str) -> None:
    decoder = _STATEFUL[name](codec)
    with pytest.raises(AttributeError):
        decoder.note = 1
    assert not hasattr(decoder, "__dict__")


def test_values_have_no_room_either(codec: ModuleType) -> None:
    for value in (codec.Frame(1, b""), codec.Message(""), codec.Ping(), codec.Pong(), codec.Close()):
        assert not hasattr(value, "__dict__")


@_stateful
def test_init_again_starts_afresh(codec: ModuleType, name: str) -> None:
    """Nothing is left of the stream, the message or the error before."""
    for start in (b"\x81\x05He", b"\x01\x02He\x00", b"\x83\x00", b"\x88\x00", b"\xff", b"\xe2\x82"):
        decoder = _STATEFUL[name](codec)
        outcome(decoder.feed, start)
        if name == "Utf8Validator":
            decoder.__init__()
            assert (decoder.offset, decoder.complete, decoder.error) == (0, True, None)
            continue
        limit = "max_frame_size" if name == "FrameDecoder" else "max_message_size"
        decoder.__init__(Role.SERVER, **{limit: 5})
        assert (decoder.error, decoder.buffered, getattr(decoder, "closed", False)) == (None, 0, False)
        (event,) = decoder.feed(frame(0x82, b"again", KEY))
        assert plain(event)[:2] in (("Message", ("bytes", b"again")), ("Frame", plain(event)[1]))
        with pytest.raises(ProtocolError, match="over the limit of 5"):
            decoder.feed(frame(0x82, b"again!", KEY))
