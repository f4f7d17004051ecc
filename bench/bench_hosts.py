"""Host libraries, plain and accelerated, with pytest-benchmark: the cases of ``python -m fastws bench hosts``."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from fastws.hosts import accelerate_installed, accelerated, restore
from fastws.measure import Case, Contender, Exchange, exchanges, host_cases, serving, trade

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

_HOSTS = accelerate_installed()
restore()

_WORK = [
    pytest.param(case, contender, id=f"{case.group}-{case.name}-{contender.name}")
    for host in _HOSTS
    for case in host_cases(host)
    for contender in case.contenders
]

_EXCHANGES = [
    pytest.param(exchange, id=f"{host}-{exchange.client}-{exchange.name}")
    for host in _HOSTS
    for exchange in exchanges(host)
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as address:
        yield address


@pytest.mark.parametrize(("case", "contender"), _WORK)
def test_in_the_library(benchmark: BenchmarkFixture, case: Case, contender: Contender) -> None:
    benchmark.group = f"{case.group}: {case.name}"
    benchmark.extra_info["messages"] = case.count
    assert contender.call is not None
    with contender.around():
        benchmark(contender.call, *contender.args)


@pytest.mark.parametrize("how", ["plain", "accelerated"])
@pytest.mark.parametrize("exchange", _EXCHANGES)
def test_over_a_socket(benchmark: BenchmarkFixture, url: str, exchange: Exchange, how: str) -> None:
    """Connecting and closing are in the figure: ``python -m fastws bench hosts`` leaves them out."""
    benchmark.group = f"{exchange.host} ({exchange.client}) over a socket: {exchange.name}"
    count = max(2, 2**20 // (exchange.size + 1024))
    benchmark.extra_info["messages"] = count
    with accelerated(exchange.host) if how == "accelerated" else nullcontext():
        benchmark.pedantic(trade, (exchange, url, count), rounds=5)  # type: ignore[no-untyped-call]
