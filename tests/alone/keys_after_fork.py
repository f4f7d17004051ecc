"""A forked child drops the keys that were drawn ahead, or it would send its parent's, and finds no lock locked."""

from __future__ import annotations

import os
import threading
import warnings

from chosen import codec
from fastws import Role

# From CPython 3.12 on, a fork beside threads is warned of: it is what is tried here.
warnings.simplefilter("ignore", DeprecationWarning)


def draw(n: int) -> set[bytes]:
    keys = {codec.new_key() for _ in range(n)}
    return keys | {codec.parse_header(codec.encode_message(b"", Role.CLIENT)).key for _ in range(n)}


def child_and_parent_differ() -> None:
    codec.new_key()
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, b"".join(draw(300)))
        os._exit(0)
    ours = draw(300)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        drawn = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    theirs = {drawn[i : i + 4] for i in range(0, len(drawn), 4)}
    assert len(theirs) > 590
    assert len(ours & theirs) < 3


def fork_beside_threads() -> None:
    """Whatever the other threads hold while the process forks, the child goes on drawing."""
    stop = threading.Event()

    def draw_on() -> None:
        while not stop.is_set():
            codec.new_key()

    threads = [threading.Thread(target=draw_on) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(60):
            child = os.fork()
            if not child:
                for _ in range(2000):
                    codec.new_key()
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()


for _ in range(5):
    child_and_parent_differ()
fork_beside_threads()
