"""Many cases in one test, where each takes less time than a test of its own costs.

What pytest and xdist do for a test takes two milliseconds; a stream, decoded, a tenth of that.
"""

from __future__ import annotations

import functools
import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

__all__ = ["each_case"]


def each_case(
    names: str | tuple[str, ...], values: Iterable[Any], ids: Iterable[object] | Callable[[Any], object] = repr
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """As ``pytest.mark.parametrize``, with all cases in one test; the error of one that fails names it.

    Args:
        names: an argument of the test; or several, for which each value is a tuple. A string names only one.
        values: of the cases; they share the fixtures of the test.
        ids: what names them, or tells the name of a value.
    """
    arguments = (names,) if isinstance(names, str) else names
    values = list(values)
    cases = [(value,) if isinstance(names, str) else value for value in values]
    told = values if callable(ids) else list(ids)
    tell = ids if callable(ids) else str
    assert len(told) == len(cases) > 0

    def over_all(test: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            for name, case in zip(told, cases, strict=True):
                with _naming(name, tell):
                    test(**fixtures, **dict(zip(arguments, case, strict=True)))

        signature = inspect.signature(test)
        left = [parameter for name, parameter in signature.parameters.items() if name not in arguments]
        assert len(left) + len(arguments) == len(signature.parameters)
        run.__signature__ = signature.replace(parameters=left)  # type: ignore[attr-defined]
        return run

    return over_all


@contextmanager
def _naming(name: Any, tell: Callable[[Any], object]) -> Iterator[None]:
    try:
        yield
    except pytest.skip.Exception:
        raise AssertionError(f"case {tell(name)}: one of many cannot be skipped") from None
    except (Exception, pytest.fail.Exception) as error:
        raise AssertionError(f"case {tell(name)}: {error}") from error
