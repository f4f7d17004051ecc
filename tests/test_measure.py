"""The measuring code: ratios come out right, and what is compared does the same work. No test asserts a real time."""

from __future__ import annotations

import gc
import math
import platform
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import websocket

from fastws import hosts
from fastws.backend import backend
from fastws.measure import (
    QUICK,
    Case,
    Contender,
    Exchange,
    Measurement,
    Plan,
    Timing,
    codec_cases,
    describe,
    exchanges,
    host_cases,
    keep_freed_memory,
    kernel_cases,
    measure,
    measure_exchange,
    noise,
    pure_cases,
    serving,
    sockets,
    trade,
)
from fastws.measure.hosts import library, trading
from fastws.measure.payloads import SHAPES, binary, cut, frames, size_name, text
from fastws.measure.peers import peer
from fastws.measure.timing import Loop, calibrate, interleave

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class FakeClock:
    """Time that passes only when work is done.

    Attributes:
        now: seconds.
        drift: how much slower the machine gets each second.
    """

    def __init__(self, drift: float = 0.0) -> None:
        self.now = 0.0
        self.drift = drift

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> Callable[[], None]:
        def call() -> None:
            self.now += seconds * (1 + self.drift * self.now)

        return call


def _case(*contenders: Contender) -> Case:
    return Case("group", "name", contenders, "byte", 1000)


# Timing ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [1e-7, 1e-6, 4e-5, 1e-2, 3.0])
def test_a_loop_tells_the_seconds_of_one_call(seconds: float) -> None:
    clock = FakeClock()
    loop = Loop(clock.work(seconds), (), Plan(batch=0.02, clock=clock))
    before = clock.now
    assert loop() == pytest.approx(seconds)
    # A batch is long enough, and no longer than it must be.
    assert (clock.now - before) * 1.0001 >= 0.02
    assert clock.now - before <= 0.025 + seconds


def test_a_loop_passes_its_arguments() -> None:
    seen = []
    Loop(lambda *args: seen.append(args), (1, b"two", None), Plan(batch=0.0))
    assert set(seen) == {(1, b"two", None)}


def test_a_loop_rests_the_garbage_collector() -> None:
    seen = []
    Loop(lambda: seen.append(gc.isenabled()), (), Plan(batch=0.0))()
    assert set(seen) == {False}
    assert gc.isenabled()


@pytest.mark.parametrize("turn", [1e-9, 3e-4, 0.5, 2.0])
def test_calibration_finds_turns_that_last(turn: float) -> None:
    turns = calibrate(lambda count: count * turn, 0.1)
    assert turns * turn >= 0.1 * 0.9999
    assert turns == 1 or turns * turn <= 0.2


def test_batches_alternate_and_every_other_round_runs_backwards() -> None:
    order: list[str] = []

    def batch(name: str) -> Callable[[], int]:
        def run() -> int:
            order.append(name)
            return len(order)

        return run

    taken = interleave([batch("a"), batch("b"), batch("c")], Plan(rounds=3))
    assert "".join(order) == "abccbaabc"
    assert taken == [[1, 6, 7], [2, 5, 8], [3, 4, 9]]


@pytest.mark.parametrize(("seconds", "rounds"), [(0.001, 10), (0.2, 6), (0.5, 4), (7.0, 4)])
def test_a_slow_case_has_fewer_rounds(seconds: float, rounds: int) -> None:
    clock = FakeClock()
    plan = Plan(rounds=10, least_rounds=4, seconds=1.0, clock=clock)
    (taken,) = interleave([clock.work(seconds)], plan)
    assert len(taken) == rounds


def test_best_median_and_spread() -> None:
    timing = Timing((4.0, 1.0, 2.0, 3.0, 5.0))
    assert timing.best == 1.0
    assert timing.median == 3.0
    assert timing.spread == pytest.approx(2.0 / 3.0)
    assert Timing((2.0,)).spread == 0.0


# Ratios ---------------------------------------------------------------------------------------------------------------


def test_the_ratio_is_how_many_times_as_fast_the_subject_is() -> None:
    clock = FakeClock()
    case = _case(Contender("fast", clock.work(1e-4)), Contender("slow", clock.work(1e-3)))
    measured = measure(case, Plan(clock=clock))
    assert measured.ratio("slow") == pytest.approx(10)
    assert measured.median_ratio("slow") == pytest.approx(10)
    assert measured.per_unit("fast") == pytest.approx(1e-7)
    assert len(measured.timings["fast"].samples) == len(measured.timings["slow"].samples) == Plan().rounds


def test_a_machine_that_slows_down_does_not_change_the_ratio() -> None:
    clock = FakeClock(drift=2.0)
    case = _case(Contender("fast", clock.work(1e-4)), Contender("slow", clock.work(1e-3)))
    measured = measure(case, Plan(rounds=20, clock=clock))
    samples = measured.timings["slow"].samples
    assert max(samples) > 1.2 * min(samples)
    assert measured.median_ratio("slow") == pytest.approx(10, rel=0.03)


def test_a_slow_subject_has_a_ratio_below_one() -> None:
    measured = Measurement(
        _case(Contender("subject"), Contender("rival")), {"subject": Timing((4.0, 5.0)), "rival": Timing((2.0, 1.0))}
    )
    assert measured.ratio("rival") == 0.25
    assert measured.median_ratio("rival") == pytest.approx(0.35)


def test_every_batch_runs_in_the_context_of_its_contender() -> None:
    active: list[str] = []
    seen: set[tuple[str, ...]] = set()

    @contextmanager
    def around() -> Iterator[None]:
        active.append("on")
        yield
        active.pop()

    case = _case(
        Contender("on", lambda: seen.add(("on", *active)), around=around),
        Contender("off", lambda: seen.add(("off", *active))),
    )
    measure(case, QUICK)
    assert seen == {("on", "on"), ("off",)}


def test_json_tells_every_figure() -> None:
    clock = FakeClock()
    case = _case(
        Contender("fast", clock.work(1e-4)),
        Contender("slow", clock.work(1e-3), goal=4.0),
        Contender("absent", missing="absent is not installed"),
    )
    told = measure(case, Plan(rounds=3, clock=clock)).as_dict()
    fast, slow, absent = told.pop("contenders")
    assert told == {"group": "group", "case": "name", "unit": "byte", "count": 1000}
    assert set(fast) == {"name", "best", "median", "spread", "samples"}
    assert slow["ratio"] == pytest.approx(10)
    assert slow["goal"] == 4.0
    assert len(slow["samples"]) == 3
    assert absent == {"name": "absent", "missing": "absent is not installed"}


# Rivals that cannot run -----------------------------------------------------------------------------------------------


def _raise(error: Exception) -> Any:
    raise error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ModuleNotFoundError("No module named 'nowhere'", name="nowhere"), "nowhere is not installed"),
        (ModuleNotFoundError("No module", name="nowhere.at.all"), "nowhere is not installed"),
        (ModuleNotFoundError("No module", name="pytest.speedups"), "pytest.speedups is not in this build of pytest"),
        (AttributeError("no attribute 'mask'"), "another version was expected: no attribute 'mask'"),
    ],
)
def test_a_rival_that_is_not_there_says_why(error: Exception, reason: str) -> None:
    contender = peer("rival", lambda: _raise(error), goal=2.0)
    assert contender.call is None
    assert contender.missing == reason
    measured = measure(_case(Contender("subject", int), contender), QUICK)
    assert measured.missing == {"rival": reason}
    assert set(measured.timings) == {"subject"}


def test_a_rival_that_fails_is_left_out() -> None:
    failing = Contender("rival", lambda: _raise(ValueError("broken")))
    measured = measure(_case(Contender("subject", int), failing), QUICK)
    assert measured.missing == {"rival": "ValueError: broken"}


def test_a_subject_that_fails_is_an_error() -> None:
    with pytest.raises(ValueError, match="broken"):
        measure(_case(Contender("subject", lambda: _raise(ValueError("broken")))), QUICK)


# Payloads -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, 1, 2, 3, 16, 125, 1024, 65_536, 100_001])
@pytest.mark.parametrize("shape", SHAPES)
def test_text_has_the_size_it_was_asked_for(shape: str, n: int) -> None:
    assert len(text(shape, n).encode()) == n


def test_the_shapes_of_text() -> None:
    widths = {shape: {len(character.encode()) for character in text(shape, 65_536)} for shape in SHAPES}
    assert widths == {"ASCII": {1}, "Latin": {1, 2}, "Cyrillic": {2}, "Chinese": {1, 3}, "emoji": {4}}
    latin = text("Latin", 65_536)
    assert 0.04 < sum(character > "\x7f" for character in latin) / len(latin) < 0.06


def test_binary_has_the_size_it_was_asked_for() -> None:
    assert len(binary(1000)) == 1000
    assert binary(1000) is binary(1000)


def test_a_stream_is_cut_into_reads() -> None:
    stream = frames(b"payload", backend.Frame(2, b"").opcode, 100, masked=True)
    reads = cut(stream, 64)
    assert b"".join(reads) == stream
    assert {len(read) for read in reads[:-1]} == {64}


@pytest.mark.parametrize(
    ("n", "name"), [(8, "8 B"), (125, "125 B"), (1024, "1 KiB"), (65_536, "64 KiB"), (2**20, "1 MiB")]
)
def test_sizes_for_people(n: int, name: str) -> None:
    assert size_name(n) == name


# Cases ----------------------------------------------------------------------------------------------------------------

_HOSTS = hosts.accelerate_installed()
hosts.restore()

_CASES = [*codec_cases(), *pure_cases(), *kernel_cases(), *[case for host in _HOSTS for case in host_cases(host)]]


@pytest.mark.parametrize("case", _CASES, ids=lambda case: f"{case.group}-{case.name}")
def test_subject_and_rivals_do_the_same_work(case: Case) -> None:
    done = {contender.name: contender.run() for contender in case.contenders if contender.call is not None}
    expected = done[case.subject.name]
    # No test may pass because nothing was done.
    assert expected not in (None, "", b"", [], False)
    assert {name: result == expected for name, result in done.items()} == dict.fromkeys(done, True)


def test_every_rival_is_there() -> None:
    """The test environment has all of them; the native contender is absent only where its twin is."""
    missing = {(one.name, one.missing) for case in _CASES for one in case.contenders if one.call is None}
    assert {name for name, _ in missing} <= ({"native"} if not backend.available_kernels() else set())


def test_cases_of_a_group_share_a_table() -> None:
    groups: dict[str, set[tuple[Any, ...]]] = {}
    for case in _CASES:
        shape = (case.unit, case.show, *[contender.name for contender in case.contenders])
        groups.setdefault(case.group, set()).add(shape)
        assert case.count > 0
    assert all(len(shapes) == 1 for shapes in groups.values())
    names = [(case.group, case.name) for case in _CASES]
    assert len(set(names)) == len(names)


def test_every_case_of_a_host_says_what_it_is_about() -> None:
    for host in _HOSTS:
        for case in host_cases(host):
            assert case.topic is not None
            assert case.topic.host == host
            assert case.group.startswith(host)
            assert case.name == f"{case.topic.shape}, {size_name(case.topic.size)}"
            assert case.topic.work in case.group
            # A read of an event loop has room for many small messages.
            assert case.count >= min(64, 262_144 // case.topic.size)


def test_the_short_run_shows_every_stage() -> None:
    short = {case.group for case in codec_cases() if case.short}
    assert short == {
        "mask, bytes to bytes",
        "is_utf8",
        "decode_text, masked bytes to str",
        "MessageDecoder, reads of 64 KiB",
        "encode_message, text",
    }


def test_each_kernel_is_measured_and_put_back() -> None:
    before = backend.kernel_name()
    measured = measure(kernel_cases()[0], QUICK)
    assert set(measured.timings) == {"pure Python", *backend.available_kernels()}
    assert backend.kernel_name() == before


def test_an_accelerated_host_is_put_back() -> None:
    measured = measure(host_cases("websocket-client")[0], QUICK)
    assert set(measured.timings) == {"accelerated", "plain"}
    assert not any(host.accelerated for host in hosts.host_status())


def test_noise_is_the_plain_host_against_itself() -> None:
    case = noise(host_cases("websocket-client")[0])
    active: list[bool] = []

    def call() -> None:
        active.append(any(host.accelerated for host in hosts.host_status()))

    contenders = tuple([replace(each, call=call, args=()) for each in case.contenders])
    measured = measure(replace(case, contenders=contenders), QUICK)
    assert list(measured.timings) == ["plain again", "plain"]
    assert set(active) == {False}
    assert all(each.goal is None for each in contenders)


def test_plain_batches_begin_after_a_change_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As accelerated ones do: what CPython remembers of a class is gone then."""
    changed: list[str] = []

    @contextmanager
    def accelerating(host: str) -> Iterator[None]:
        changed.append(host)
        yield

    monkeypatch.setattr(library, "accelerated", accelerating)
    with library.put_back("a host"):
        assert changed == ["a host"]


def test_freed_memory_is_kept_where_the_c_library_can() -> None:
    assert keep_freed_memory() is (platform.libc_ver()[0] == "glibc")


def test_an_unknown_host_has_no_cases() -> None:
    assert host_cases("nobody") == []
    assert exchanges("nobody") == []


# Over a socket --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.mark.parametrize("exchange", exchanges("websocket-client", short=True), ids=lambda exchange: exchange.name)
def test_an_exchange_gives_cpu_time_and_wall_clock(url: str, exchange: Exchange) -> None:
    cpu, wall = measure_exchange(exchange, url, QUICK)
    for measured in (cpu, wall):
        assert set(measured.timings) == {"accelerated", "plain"}
        assert math.isfinite(measured.ratio("plain"))
        assert measured.case.name == exchange.name
    assert "CPU" in cpu.case.group
    assert "wall" in wall.case.group


def test_a_batch_has_as_many_messages_for_every_contender(monkeypatch: pytest.MonkeyPatch) -> None:
    """However much faster one is than the other."""
    counts: dict[bool, list[int]] = {True: [], False: []}

    def trade(_: Exchange, __: str, count: int) -> sockets.Sample:
        fast = any(host.accelerated for host in hosts.host_status())
        counts[fast].append(count)
        return sockets.Sample(0.001 if fast else 0.02, 0.001 if fast else 0.02)

    monkeypatch.setattr(sockets, "trade", trade)
    plan = Plan(rounds=3, exchange=0.1)
    cpu, wall = measure_exchange(Exchange("websocket-client", "client", "echo", "ASCII", 32), "ws://nowhere", plan)
    # A batch of the slower one may last longer than it has to, but not as long as the faster one asks for.
    assert counts[True][-3:] == counts[False][-3:] == [20] * 3
    assert wall.case.count == cpu.case.count == 20
    assert wall.per_unit("plain") == pytest.approx(0.02)
    assert wall.ratio("plain") == pytest.approx(20)


def test_a_batch_of_what_is_very_slow_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "trade", lambda *_: sockets.Sample(1.0, 1.0))
    exchange = Exchange("websocket-client", "client", "echo", "ASCII", 32)
    _, wall = measure_exchange(exchange, "ws://nowhere", Plan(rounds=2))
    assert wall.case.count == 1


@pytest.mark.parametrize("exchange", [exchange for host in _HOSTS for exchange in exchanges(host)], ids=str)
def test_every_client_of_every_host(url: str, exchange: Exchange) -> None:
    """Each checks what it received last."""
    count = 2 if exchange.size > 65_536 else 70
    trade(exchange, url, count)
    with hosts.accelerated(exchange.host):
        sample = trade(exchange, url, count)
    assert sample.wall > 0


@pytest.fixture
def client(url: str) -> Iterator[websocket.WebSocket]:
    connection = websocket.create_connection(url, timeout=60)
    yield connection
    connection.close()


def test_every_message_of_a_burst_arrives(client: websocket.WebSocket) -> None:
    client.send("burst 70 Chinese 4096")
    assert [client.recv() for _ in range(70)] == [text("Chinese", 4096)] * 70


def test_binary_messages_of_a_burst_arrive(client: websocket.WebSocket) -> None:
    client.send("burst 3 binary 4096")
    assert [client.recv() for _ in range(3)] == [binary(4096)] * 3


def test_the_server_takes_what_is_sent(client: websocket.WebSocket) -> None:
    client.send("sink 2")
    client.send("one")
    client.send_binary(b"two")
    assert client.recv() == "sink 2"
    client.send("echo of what follows")
    assert client.recv() == "echo of what follows"


def test_another_message_than_was_sent_is_an_error(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trading, "message", lambda _shape, _size: "another")
    with pytest.raises(RuntimeError, match=r"^websocket-client received another message than was sent$"):
        trade(Exchange("websocket-client", "client", "burst received", "ASCII", 32), url, 1)


def test_the_server_survives_a_client_that_leaves(url: str) -> None:
    leaving = websocket.create_connection(url, timeout=60)
    leaving.send("burst 100000 ASCII 1024")
    assert leaving.sock is not None
    leaving.sock.close()
    trade(Exchange("websocket-client", "client", "echo", "ASCII", 32), url, 1)


def test_the_machine_is_described() -> None:
    told = describe()
    assert told["backend"] in ("native", "python")
    assert told["kernel"] == backend.kernel_name()
    assert "websocket-client" in told["libraries"]
