"""Server push, transport against transport: every one of them for real, and the parts that count. No real times.

Those that need a broker are in ``tests/external/test_transports_mqtt.py``.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from fastws.cli import main, transports
from fastws.measure.transports import CUT_OFF, PHASES, QUICK_WORKLOADS, TRANSPORTS, WORKLOADS, Workload, overhead, run
from fastws.measure.transports.account import Account
from fastws.measure.transports.cut_off import cut_off
from fastws.measure.transports.events import event, read_events
from fastws.measure.transports.mailbox import ANSWER, Mailbox
from fastws.measure.transports.process import End
from fastws.measure.transports.registry import Transport
from fastws.measure.transports.relay import Relay
from fastws.measure.transports.run import Ends, measure
from fastws.measure.transports.workloads import make_message, read_message

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator
    from pathlib import Path

# More than a loaded machine needs; no test waits for it.
_PATIENCE = 120

_WITHOUT_BROKER = [each for each in TRANSPORTS if not each.broker]
_WITH_BROKER = [each for each in TRANSPORTS if each.broker]

by_name = {each.name: each for each in (*TRANSPORTS, *CUT_OFF)}


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What comes late on a loaded machine is not given up."""
    monkeypatch.setattr(run, "QUIET", _PATIENCE)
    monkeypatch.setattr(run, "LAST", _PATIENCE)


# Messages -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [32, 100, 2**20])
@pytest.mark.parametrize("number", [0, 1, 2**40])
def test_a_message_tells_its_number_and_when_it_was_made(number: int, size: int) -> None:
    first, second = make_message(number, size), make_message(number, size)
    assert len(first.encode()) == len(second.encode()) == size
    assert read_message(first)[0] == read_message(second.encode())[0] == number
    assert read_message(first)[1] <= read_message(bytearray(second.encode()))[1]


def test_events_come_at_any_phase_of_a_second_and_keep_their_order() -> None:
    plan = Workload("", "", 100, 1000, rate=10)
    due = [plan.due(index) for index in range(1000)]
    assert due == sorted(due)
    # Each in its own turn, and as many in each tenth of it.
    assert [int(time * 10) for time in due] == list(range(1000))
    tenths = [int((time * 10) % 1 * 10) for time in due]
    assert all(95 <= tenths.count(tenth) <= 105 for tenth in range(10))


def test_every_workload_is_there_in_short() -> None:
    assert [each.name for each in QUICK_WORKLOADS] == [each.name for each in WORKLOADS]
    assert [each.size for each in QUICK_WORKLOADS] == [each.size for each in WORKLOADS]


# Accounts -------------------------------------------------------------------------------------------------------------


def _taken(*numbers: int, size: int = 32) -> Account:
    account = Account(32)
    for number in numbers:
        account.take(make_message(number, size))
    return account


@pytest.mark.parametrize(
    ("numbers", "delivered", "doubled", "late", "absent"),
    [
        ((), 0, 0, 0, [0, 1, 2, 3, 4]),
        ((0, 1, 2, 3, 4), 5, 0, 0, []),
        ((0, 1, 3, 4), 4, 0, 0, [2]),
        ((2, 4), 2, 0, 0, [0, 1, 3]),
        ((0, 1, 2), 3, 0, 0, [3, 4]),
        ((0, 0, 1, 2, 3, 4, 2), 5, 2, 0, []),
        ((0, 2, 1, 3, 4), 5, 0, 1, []),
        ((4, 3, 2, 1, 0), 5, 0, 4, []),
        ((1, 0, 0, 1, 4, 4), 3, 3, 1, [2, 3]),
    ],
)
def test_losses_doubles_and_disorder_are_told_apart(
    numbers: tuple[int, ...], delivered: int, doubled: int, late: int, absent: list[int]
) -> None:
    account = _taken(*numbers)
    told = account.as_dict(5)
    assert (told["delivered"], told["lost"], told["doubled"], told["late"]) == (delivered, 5 - delivered, doubled, late)
    assert account.absent(5) == absent
    assert told["damaged"] == 0
    assert len(account.latencies) == delivered
    assert all(latency >= 0 for latency in account.latencies)


def test_a_message_of_another_length_is_damaged() -> None:
    assert _taken(0, 1, size=33).as_dict(2)["damaged"] == 2


# Mailboxes ------------------------------------------------------------------------------------------------------------


def _run(work: Awaitable[Any]) -> Any:
    async def within() -> Any:
        return await asyncio.wait_for(work, _PATIENCE)

    return asyncio.run(within())


def test_a_mailbox_tells_what_follows_as_often_as_it_is_asked() -> None:
    async def work() -> None:
        mailbox = Mailbox()
        assert await mailbox.get(0, 0) == []
        for number in range(1, 6):
            await mailbox.put(b"%d" % number)
        for _ in range(2):
            assert await mailbox.get(0) == [b"1", b"2", b"3", b"4", b"5"]
            assert await mailbox.get(3) == [b"4", b"5"]
            assert await mailbox.get(5, 0) == []
        assert await mailbox.get(5, 0.001) == []

    _run(work())


def test_a_mailbox_waits_for_a_message() -> None:
    async def work() -> None:
        mailbox = Mailbox()
        # Also one whose reader was there before: a connection that broke may still have a reader.
        readers = [asyncio.create_task(mailbox.get(0)), asyncio.create_task(mailbox.get(0, _PATIENCE))]
        await asyncio.sleep(0)
        await mailbox.put(b"x")
        assert await asyncio.gather(*readers) == [[b"x"], [b"x"]]

    _run(work())


@pytest.mark.parametrize(("size", "count"), [(1, 25_000), (2**20, 40)])
def test_a_mailbox_stops_whoever_gets_too_far_ahead(size: int, count: int) -> None:
    async def work() -> None:
        mailbox = Mailbox()
        published = 0

        async def publish() -> None:
            nonlocal published
            for _ in range(count):
                await mailbox.put(bytes(size))
                published += 1

        task = asyncio.create_task(publish())
        got, most = 0, 0
        while got < count:
            messages = await mailbox.get(got)
            assert 0 < len(messages) <= ANSWER
            got += len(messages)
            most = max(most, published - got)
        await task
        assert 0 < most < count
        # A while is not for ever.
        with pytest.raises(LookupError, match=r"messages 1 to \d+ are not kept any more"):
            await mailbox.get(0)

    _run(work())


# The relay ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends everything back."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def handle(connection: socket.socket) -> None:
            with connection:
                while data := connection.recv(65_536):
                    connection.sendall(data)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _connect(relay: Relay) -> socket.socket:
    return socket.create_connection(("127.0.0.1", relay.port), timeout=_PATIENCE)


def _there_and_back(connection: socket.socket, data: bytes) -> bytes:
    thread = threading.Thread(target=connection.sendall, args=(data,))
    thread.start()
    got = b""
    while len(got) < len(data) and (piece := connection.recv(2**20)):
        got += piece
    thread.join()
    return got


def _is_gone(connection: socket.socket) -> bool:
    """Whether the other end has dropped the connection; waits until it says something."""
    try:
        return not connection.recv(1)
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("size", [1, 100, 3_000_000])
def test_the_relay_counts_every_byte(echo: int, size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    with Relay(echo) as relay:
        for number in (1, 2):
            with _connect(relay) as connection:
                assert _there_and_back(connection, data) == data
            counts = relay.counts
            assert (counts.up, counts.down, counts.connections) == (number * len(data), number * len(data), number)
        assert relay.counts - counts == type(counts)()


def test_the_relay_swallows_cuts_and_mends(echo: int) -> None:
    with Relay(echo) as relay:
        with _connect(relay) as connection:
            assert _there_and_back(connection, b"before") == b"before"
            relay.swallow()
            connection.sendall(b"unheard")
            while relay.counts.up < len(b"beforeunheard"):
                pass
            relay.cut()
            assert _is_gone(connection)
        with _connect(relay) as refused:
            assert _is_gone(refused)
        assert relay.refused == 1
        relay.mend()
        with _connect(relay) as connection:
            assert _there_and_back(connection, b"after") == b"after"
        assert relay.counts.down == len(b"beforeafter")
        assert relay.counts.connections == 2


def test_the_relay_drops_a_client_where_there_is_no_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with Relay(port) as relay, _connect(relay) as connection:
        assert _is_gone(connection)


# Events ---------------------------------------------------------------------------------------------------------------


def test_events_are_read_however_they_are_cut() -> None:
    messages = [b"one", b"", b"three: data: x", b"four"]
    stream = b"".join([event(number, message) for number, message in enumerate(messages, 1)]) + b": a comment\n\n"
    for cut in range(len(stream) + 1):
        for second in range(cut, len(stream) + 1):
            unread: list[bytes] = []
            pieces = [piece for piece in (stream[:cut], stream[cut:second], stream[second:]) if piece]
            assert [message for piece in pieces for message in read_events(unread, piece)] == messages
            assert unread == []


# Computed -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "size", "expected"),
    [
        ("WebSocket, fastws", 100, (2, 0)),
        ("WebSocket, fastws", 125, (2, 0)),
        ("WebSocket, fastws", 126, (4, 0)),
        ("WebSocket, websockets", 65_535, (4, 0)),
        ("WebSocket, websockets", 65_536, (10, 0)),
        # One byte, the length in one or more, two and the topic of 8; an identifier; then the acknowledgements.
        ("MQTT, QoS 0, TCP", 100, (12, 0)),
        ("MQTT, QoS 1, TCP", 100, (14, 4)),
        ("MQTT, QoS 2, TCP", 100, (18, 8)),
        ("MQTT, QoS 0, TCP", 117, (12, 0)),
        ("MQTT, QoS 0, TCP", 118, (13, 0)),
        ("MQTT, QoS 0, TCP", 2**20, (14, 0)),
        # And frames around all of them, those of clients with a key.
        ("MQTT, QoS 0, WebSocket", 100, (14, 0)),
        ("MQTT, QoS 1, WebSocket", 100, (16, 10)),
        ("MQTT, QoS 2, WebSocket", 100, (22, 20)),
        ("MQTT, QoS 2, WebSocket accelerated", 200, (25, 20)),
        # "id: 5", "data: " and an empty line; the length in hexadecimal and two more ends of line.
        ("Server-Sent Events", 100, (6 + 6 + 2 + 2 + 4, 0)),
    ],
)
def test_overheads_that_follow_from_the_formats(name: str, size: int, expected: tuple[float, float]) -> None:
    assert overhead(by_name[name], Workload("", "", size, 10, rate=1)) == expected


def test_what_a_poll_costs_is_shared_by_the_messages_that_it_brings() -> None:
    down, up = overhead(by_name["polling, 0.1 s, kept connection"], Workload("", "", 100, 10, rate=1)) or (0, 0)
    # Ten requests for a message, nine of them in vain.
    assert up % 10 == 0
    assert up > 1000
    assert down > 1000
    shared = overhead(by_name["polling, 0.1 s, kept connection"], Workload("", "", 100, 10, rate=1000)) or (0, 0)
    assert shared[1] == up / 1000
    assert 1 < shared[0] < 4


def test_nothing_is_computed_without_the_library_whose_name_is_in_the_headers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert overhead(by_name["Comet"], WORKLOADS[0]) is None
    assert overhead(by_name["MQTT, QoS 0, TCP"], WORKLOADS[0]) == (12, 0)


# Every transport ------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("transport", _WITHOUT_BROKER, ids=lambda each: each.name)
def test_everything_arrives_once(transport: Transport) -> None:
    subscribers = 2
    assert transport.missing() == ""
    # What polls once a second takes a second for each.
    skipped = ("chat", "ticks") if transport.subscribing.get("interval", 0) >= 1 else ()
    with Ends(transport) as ends:
        for workload in [each for each in QUICK_WORKLOADS if each.name not in skipped]:
            result = measure(ends, workload, subscribers)
            check(result, workload, subscribers)
            if "new connections" in transport.name:
                assert result.connections > subscribers
            elif not workload.in_flight or transport.module == "websocket":
                assert result.connections == subscribers
            else:
                # A request that is under way keeps the connection from all others.
                assert result.connections > subscribers
            if transport.module == "websocket" and workload.rate:
                headers = result.down - result.opening_down - workload.size, result.up - result.opening_up
                assert headers == pytest.approx(overhead(transport, workload))


def check(result: run.Result, workload: Workload, subscribers: int) -> None:
    """Nothing is lost, nothing is doubled, and every figure is there."""
    assert (result.missing, result.failed) == ("", False)
    assert (result.lost, result.doubled, result.damaged) == (0, 0, 0)
    assert result.published > 0
    assert result.delivered == result.published * (1 if workload.in_flight else subscribers)
    # Where requests overtake each other, the order is lost.
    assert result.late == 0 or workload.in_flight
    assert result.down > workload.size
    assert result.up > (workload.size if workload.in_flight else 0)
    assert result.median is not None
    assert result.p99 is not None
    assert 0 < result.median <= result.p99
    assert result.rate > 0
    assert result.server > 0
    assert result.client > 0


_LOST_WHILE_AWAY = {"WebSocket, fastws"}


@pytest.mark.parametrize("transport", [each for each in CUT_OFF if not each.broker], ids=lambda each: each.name)
def test_who_is_cut_off_and_comes_back(transport: Transport) -> None:
    # With polling and Comet nothing comes any more once requests get lost, so nothing is waited for.
    told = cut_off(transport, grace=0.5 if transport.module in ("polling", "comet") else _PATIENCE)
    assert (told.missing, told.published, told.doubled, told.late) == ("", sum(PHASES.values()), 0, 0)
    away = PHASES["away"] if transport.name in _LOST_WHILE_AWAY else 0
    assert told.lost == {"before": 0, "unacknowledged": 0, "away": away, "after": 0}


# What goes wrong ------------------------------------------------------------------------------------------------------


def test_what_goes_wrong_in_a_process_is_told_by_its_owner() -> None:
    with End("publisher") as end:
        with pytest.raises(RuntimeError, match=r"the publisher could not start: KeyError: 'nothing'"):
            end.call("start", transport="nothing", subscribers=1)
        # It is still there.
        assert end.call("stop") == {}


@pytest.mark.parametrize("transport", _WITH_BROKER, ids=lambda each: each.name)
def test_without_mosquitto_rows_say_what_to_do(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert "apt install mosquitto" in transport.missing()
    assert "brew install mosquitto" in transport.missing()


@pytest.mark.parametrize("transport", TRANSPORTS, ids=lambda each: each.name)
def test_without_packages_rows_name_the_extra(transport: Transport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert transport.packages[0] in transport.missing()
    assert "fastws-codec[transports]" in transport.missing()


# The command ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transport that can be measured, and one that lacks its broker."""
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    monkeypatch.setattr(transports, "TRANSPORTS", [by_name["WebSocket, fastws"], by_name["MQTT, QoS 1, TCP"]])
    cut = [by_name["WebSocket, and the program numbers messages"], by_name["MQTT, QoS 1, persistent session"]]
    monkeypatch.setattr(transports, "CUT_OFF", cut)


@pytest.mark.usefixtures("few", "patient")
def test_bench_transports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, chart = tmp_path / "figures.json", tmp_path / "chart.svg"
    command = ["bench", "transports", "--quick", "--subscribers", "3", "--json", str(path), "--plot", str(chart)]
    assert main(command) == 0
    told = capsys.readouterr()
    assert "measuring WebSocket, fastws" in told.err
    for workload in QUICK_WORKLOADS:
        assert f"{workload.title[1:]}; subscribers: 3" in told.out
    assert told.out.count("Not measured: MQTT, QoS 1, TCP: needs the program mosquitto: apt install mosquitto") == 5
    assert "Not measured: MQTT, QoS 1, persistent session: needs the program mosquitto" in told.out
    assert "Measured with fastws" in told.out
    assert chart.read_text().startswith("<?xml")
    document = json.loads(path.read_text())
    assert [each["name"] for each in document["workloads"]] == [each.name for each in QUICK_WORKLOADS]
    for result in document["results"]:
        if result["transport"] == "WebSocket, fastws":
            assert result["delivered"] > 0
            assert (result["subscribers"], result["connections"]) == (3, 3)
        else:
            assert "mosquitto" in result["missing"]
    assert document["overheads"]["MQTT, QoS 1, TCP"]["chat"] == [14, 4]
    assert [bool(each["lost"]) for each in document["cut_off"]] == [True, False]


def test_bench_transports_without_mosquitto_prints_markdown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    monkeypatch.setattr(transports, "TRANSPORTS", _WITH_BROKER)
    monkeypatch.setattr(transports, "CUT_OFF", [each for each in CUT_OFF if each.broker])
    assert main(["bench", "transports", "--quick", "--markdown"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("### Rare events: 100 B, ten a second; subscribers: 4\n\n| transport | bytes down |")
    for transport in _WITH_BROKER:
        assert f"| {transport.name} | - | - |" in told
    assert "apt install mosquitto (Debian, Ubuntu)" in told
    assert "| MQTT, QoS 2, WebSocket | 22 + 20 | - | 22 + 20 | - |" in told


def test_bench_transports_goes_on_where_one_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The process finds the transport by its name, which nobody knows there.
    broken = Transport("polling, broken", "polling", ("PollingPublisher", "PollingSubscriber"), ("aiohttp",))
    monkeypatch.setattr(transports, "TRANSPORTS", [broken])
    monkeypatch.setattr(transports, "CUT_OFF", [broken])
    monkeypatch.setattr(transports, "QUICK_WORKLOADS", [each for each in QUICK_WORKLOADS if each.in_flight])
    path = tmp_path / "figures.json"
    assert main(["bench", "transports", "--quick", "--json", str(path)]) == 1
    assert "Not measured: polling, broken: failed: " in capsys.readouterr().out
    document = json.loads(path.read_text())
    assert [each["failed"] for each in (*document["results"], *document["cut_off"])] == [True, True]


def test_the_measuring_code_needs_none_of_the_libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are imported where a transport is made, by processes of its own."""
    for name in [name for name in sys.modules if name.startswith("fastws.measure.transports")]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("aiohttp", "paho", "websockets"):
        monkeypatch.setitem(sys.modules, name, None)
    import fastws.measure.transports as again

    assert [each.name for each in again.TRANSPORTS] == [each.name for each in TRANSPORTS]
