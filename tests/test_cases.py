"""Many cases in one test: all of them run, and one that fails is named."""

from __future__ import annotations

import pytest

from cases import each_case

_seen: list[tuple[str, int, int]] = []


@pytest.mark.parametrize("letter", ["a", "b"])
@each_case(("first", "second"), [(1, 2), (3, 4)])
@each_case("first_and", [0, 1])
def test_cases_multiply(letter: str, first: int, second: int, first_and: int) -> None:
    _seen.append((letter, first + first_and, second))
    if len(_seen) % 4 == 0:
        assert _seen[-4:] == [(letter, 1, 2), (letter, 2, 2), (letter, 3, 4), (letter, 4, 4)]


@each_case("number", range(1, 4), ids=["one", "two", "three"])
def _fails_at_two(number: int, how: str) -> None:
    if number == 2 and how == "assertion":
        assert number == 1
    if number == 2 and how == "error":
        raise LookupError("not there")
    if number == 2 and how == "nothing raised":
        with pytest.raises(ValueError, match="no"):
            pass
    if number == 2 and how == "skip":
        pytest.skip("not here")
    assert number < 3


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("assertion", "case two: assert 2 == 1"),
        ("error", "case two: not there"),
        ("nothing raised", "case two: DID NOT RAISE"),
        ("skip", "case two: one of many cannot be skipped"),
        ("later", "case three: assert 3 < 3"),
    ],
)
def test_the_case_that_fails_is_named(how: str, text: str) -> None:
    with pytest.raises(AssertionError) as caught:
        _fails_at_two(how=how)
    assert text in str(caught.value)


def test_no_cases_are_no_test() -> None:
    with pytest.raises(AssertionError):
        each_case("number", [])(_fails_at_two)
    with pytest.raises(AssertionError):
        each_case("unknown", [1])(_fails_at_two)
