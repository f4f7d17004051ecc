"""The codec against other libraries, with pytest-benchmark: the cases of ``python -m fastws bench codec``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from fastws.measure import Case, Contender, codec_cases, pure_cases

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

_WORK = [
    pytest.param(case, contender, id=f"{case.group}-{case.name}-{contender.name}")
    for case in [*codec_cases(), *pure_cases()]
    for contender in case.contenders
    if contender.call is not None
]


@pytest.mark.parametrize(("case", "contender"), _WORK)
def test_codec(benchmark: BenchmarkFixture, case: Case, contender: Contender) -> None:
    benchmark.group = f"{case.group}: {case.name}"
    benchmark.extra_info[case.unit] = case.count
    assert contender.call is not None
    with contender.around():
        benchmark(contender.call, *contender.args)
