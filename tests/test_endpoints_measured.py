"""What measures endpoints: every server does the same work, and both suites of the command come out. No real times."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from fastws import Opcode, encode_frame
from fastws.asyncio import connect
from fastws.cli import bench, main, memory
from fastws.deflate import Deflate
from fastws.measure.endpoints import CONTENDERS, LOOPS, Endpoints, echo_cases, idle_memory, missing
from fastws.measure.endpoints.process import ServerProcess
from fastws.measure.endpoints.servers import SERVERS
from fastws.measure.payloads import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fastws.measure import Case

# More than a loaded machine needs; no test waits for it.
_PATIENCE = 120

# It does not compress at all.
_PLAIN_ONLY = "picows core"


@pytest.fixture(scope="module")
def endpoints() -> Iterator[Endpoints]:
    with Endpoints() as started:
        yield started


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("name", SERVERS)
def test_every_server_echoes(endpoints: Endpoints, name: str, loop: str) -> None:
    assert missing(name) == ""
    for opcode, payload in ((Opcode.TEXT, "schön 你好 😀".encode()), (Opcode.BINARY, bytes(range(256)) * 300)):
        sent = encode_frame(opcode, payload, key=KEY)
        answer = encode_frame(opcode, payload)
        # More is on its way than the system's buffers hold.
        for count in (1, 64):
            assert endpoints.echo(name, loop, sent * count, len(answer) * count) == answer * count


@pytest.mark.parametrize("loop", LOOPS)
def test_the_contenders_of_a_case_do_the_same_work(endpoints: Endpoints, loop: str) -> None:
    cases = echo_cases(endpoints, loop)
    assert len({(case.group, case.name) for case in cases}) == len(cases)
    # The same calls again, by another clock, would say no more.
    for case in [case for case in cases if case.subject.clock is None]:
        answers = {contender.run() for contender in case.contenders}
        assert len(answers) == 1, (case.group, case.name)


@pytest.mark.parametrize("name", [name for name in SERVERS if name != _PLAIN_ONLY])
@pytest.mark.parametrize("compression", [False, True], ids=["plain", "compressed"])
def test_servers_compress_where_they_are_told_to(name: str, compression: bool) -> None:
    async def talk(port: int) -> None:
        # Not every one of them can have a smaller window.
        wanted = Deflate(window_bits=15, peer_window_bits=15)
        async with connect(f"ws://127.0.0.1:{port}/", compression=wanted, open_timeout=_PATIENCE) as ws:
            assert (ws.connection.deflate is not None) == compression
            for message in ("x" * 100_000, bytes(100_000)):
                await ws.send(message)
                assert await ws.recv() == message

    with ServerProcess(name, "asyncio", compression=compression) as server:
        asyncio.run(asyncio.wait_for(talk(server.port), _PATIENCE))


def test_the_clock_of_a_server_counts_its_work(endpoints: Endpoints) -> None:
    """Its work alone: not its rest, and not what another one does."""
    sent, answer = encode_frame(Opcode.BINARY, b"x", key=KEY) * 64, encode_frame(Opcode.BINARY, b"x") * 64
    idle = endpoints.cpu_time("websockets", "asyncio")
    began = endpoints.cpu_time("aiohttp", "asyncio")
    while (taken := endpoints.cpu_time("aiohttp", "asyncio") - began) < 0.2:
        assert endpoints.echo("aiohttp", "asyncio", sent, len(answer)) == answer
    assert endpoints.cpu_time("websockets", "asyncio") - idle < taken / 2


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a process choose its CPU")
def test_servers_and_client_share_a_cpu() -> None:
    before = os.sched_getaffinity(0)
    with Endpoints() as endpoints:
        sent, answer = encode_frame(Opcode.BINARY, b"x", key=KEY), encode_frame(Opcode.BINARY, b"x")
        endpoints.echo("websockets", "asyncio", sent, len(answer))
        server, _ = endpoints._started("websockets", "asyncio")  # noqa: SLF001 - nobody else has to know it
        (cpu,) = os.sched_getaffinity(server.pid)
        assert {cpu} == os.sched_getaffinity(0) <= before
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize("loop", LOOPS)
def test_each_work_is_timed_by_both_clocks(endpoints: Endpoints, loop: str) -> None:
    cases = echo_cases(endpoints, loop)
    by_wall = [case for case in cases if all(contender.clock is None for contender in case.contenders)]
    by_cpu = [case for case in cases if all(contender.clock is not None for contender in case.contenders)]
    assert len(by_wall) == len(by_cpu) == len(cases) / 2
    assert sorted(str(case.contenders[0].args) for case in by_wall) == sorted(
        str(case.contenders[0].args) for case in by_cpu
    )
    assert all("CPU time of the server" in case.group for case in by_cpu)


def test_a_server_that_does_not_start() -> None:
    with pytest.raises(RuntimeError, match="the server 'nothing' did not start"):
        ServerProcess("nothing", "asyncio")


def test_what_is_not_installed_is_told(endpoints: Endpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picows", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "picows" else object())
    assert missing("picows core") == "picows"
    assert missing("websockets") == ""
    rivals = [each for case in echo_cases(endpoints, "asyncio") for each in case.contenders if "picows" in each.name]
    assert rivals
    assert {(each.call, each.missing) for each in rivals} == {(None, "needs picows")}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process")
@pytest.mark.parametrize("compression", [False, True], ids=["plain", "compressed"])
@pytest.mark.parametrize("name", ["fastws callbacks", "fastws async", "websockets"])
def test_idle_connections_take_memory(name: str, compression: bool) -> None:
    each = idle_memory(name, 100, compression=compression)
    # Less than any connection takes, and more.
    assert 500 < each < 500_000


# The command ----------------------------------------------------------------------------------------------------------


def test_bench_endpoints(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def short_cases(endpoints: Endpoints, loop: str) -> list[Case]:
        return [case for case in echo_cases(endpoints, loop) if case.short]

    monkeypatch.setattr(bench, "echo_cases", short_cases)
    monkeypatch.setattr(bench, "LOOPS", LOOPS[:1])
    path, chart = tmp_path / "figures.json", tmp_path / "chart.svg"
    assert main(["bench", "endpoints", "--quick", "--json", str(path), "--plot", str(chart)]) == 0
    printed = capsys.readouterr().out
    document = json.loads(path.read_text())
    groups = [one["group"] for one in document["measurements"]]
    assert len(groups) == len(set(groups)) == 10
    for group in groups:
        assert group in printed
    for one in document["measurements"]:
        assert all(each["best"] > 0 for each in one["contenders"])
        assert all(each["ratio"] > 0 for each in one["contenders"][1:])
    assert document["plan"]["clock"] == "perf_counter"
    # matplotlib writes each text as a comment beside its outlines.
    drawn = chart.read_text()
    for name in (
        f"echo on {LOOPS[0]}, 64 in flight",
        "fastws callbacks / picows core",
        "fastws async / aiohttp",
    ):
        assert f"<!-- {name} -->" in drawn


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the memory of a process")
@pytest.mark.parametrize("arguments", [[], ["--markdown"]], ids=["table", "markdown"])
def test_bench_memory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    measured = CONTENDERS[:1]
    monkeypatch.setattr(memory, "CONTENDERS", measured)
    path = tmp_path / "figures.json"
    assert main(["bench", "memory", "--quick", "--json", str(path), *arguments]) == 0
    printed = capsys.readouterr().out
    assert "Memory of an idle connection, one of 200" in printed
    assert ("| " in printed) == bool(arguments)
    document = json.loads(path.read_text())
    assert document["connections"] == 200
    assert list(document["bytes"]) == list(measured)
    for name in measured:
        assert name in printed
        assert all(figure > 0 for figure in document["bytes"][name])
