"""The tables that show all hosts at one look."""

from __future__ import annotations

from fastws.cli.overview import overviews
from fastws.measure import Case, Contender, Measurement, Timing, Topic

MIB = 2**20


def _measured(topic: Topic | None, plain: float, accelerated: float, goal: float | None = None) -> Measurement:
    """Ten messages that take so many seconds."""
    contenders = Contender("accelerated"), Contender("plain", goal=goal)
    timings = {"accelerated": Timing((accelerated, 9.0)), "plain": Timing((9.0, plain))}
    return Measurement(Case("group", "name", contenders, "message", 10, topic=topic), timings)


def _library(host: str, size: int, shape: str = "Latin", part: str = "") -> Topic:
    return Topic(host, part, "messages received", "time in the library", shape, size)


def test_a_row_for_each_work_and_a_column_for_each_size() -> None:
    (inside,) = overviews(
        [
            _measured(_library("one", 32), 5e-5, 1e-5, goal=2.0),
            _measured(_library("one", 32, "ASCII"), 1.0, 1.0),
            _measured(_library("one", MIB), 5e-2, 1e-5),
            _measured(_library("other", 4096, part="server"), 1e-5, 2e-5, goal=1.5),
            _measured(None, 1.0, 1.0),
        ],
        goals=True,
    )
    assert list(inside.headers) == ["work", "32 B", "4 KiB", "1 MiB"]
    assert inside.rows == [
        ["one: messages received", "5.00 µs → 1.00 µs (5.00x, goal 2x)", "-", "5.00 ms → 1.00 µs (5000x)"],
        ["other (server): messages received", "-", "1.00 µs → 2.00 µs (0.50x, goal 1.5x)", "-"],
    ]


def test_goals_are_told_where_they_are_asked_for() -> None:
    (inside,) = overviews([_measured(_library("one", 32), 5e-5, 1e-5, goal=2.0)])
    assert inside.rows == [["one: messages received", "5.00 µs → 1.00 µs (5.00x)", "-", "-"]]


def test_what_has_no_text_is_shown_with_what_it_has() -> None:
    (inside,) = overviews([_measured(_library("one", 32, "binary"), 2e-5, 1e-5)])
    assert len(inside.rows) == 1


def test_over_a_socket_echoes_also_tell_their_number() -> None:
    def topic(work: str, what: str) -> Topic:
        return Topic("one", "client", work, what, "Latin", 32)

    measured = [
        _measured(topic(work, what), 8e-5, 2e-5)
        for work in ("burst received", "echo")
        for what in ("CPU time", "wall clock")
    ]
    (outside,) = overviews(measured)
    assert [row[0] for row in outside.rows] == [
        "one (client): burst received",
        "one (client): echo",
        "one (client): echo, messages a second",
    ]
    assert [row[1] for row in outside.rows[1:]] == ["8.00 µs → 2.00 µs (4.00x)", "125 k/s → 500 k/s (4.00x)"]


def test_nothing_is_told_where_no_host_was_measured() -> None:
    assert overviews([_measured(None, 1.0, 1.0)]) == []
