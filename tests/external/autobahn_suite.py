"""The Autobahn TestSuite against host libraries, plain and accelerated: case by case no worse, and no different.

    python tests/external/autobahn_suite.py --run PATH/run.py [--quick] [--libraries tornado,aiohttp] [--roles server]

``run.py`` runs the suite against a server or a client that it starts; its path may also stand in ``AUTOBAHN_RUN``.
Each library is run accelerated, with the native and with the pure twin, and plain in every case that did not end as
well as can be, which a plain run could only equal. The echoes are the files beside this one. A case that ends better
than plain is told; one that ends worse, or with another close code, is a failure.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import fastws

if TYPE_CHECKING:
    from collections.abc import Collection

# The library that an echo is written with → the host that is accelerated below it.
LIBRARIES = {
    "websockets": "websockets",
    "tornado": "tornado",
    "aiohttp": "aiohttp",
    "autobahn": "autobahn",
    "wsproto": "wsproto",
}

ROLES = {"server": "{port}", "client": "{url}"}

# Verdicts of the suite, best first.
_RANKS = ("OK", "INFORMATIONAL", "NON-STRICT", "UNIMPLEMENTED", "FAILED", "MISSING")

# How a library is run: what stands before the echo on the command line, and the environment.
_PLAIN = "plain"
_WAYS: dict[str, dict[str, str]] = {
    _PLAIN: {},
    "native": {"FASTWS_NO_EXTENSIONS": ""},
    "python": {"FASTWS_NO_EXTENSIONS": "1"},
}


class Ending(NamedTuple):
    """How a case ended: the suite's verdict, and the close code that it received."""

    verdict: str
    close_code: int | None

    def __str__(self) -> str:
        return f"{self.verdict} ({self.close_code})"


_MISSING = Ending("MISSING", None)
_BEST = Ending("OK", 1000)

# Seconds for one run of the suite: all of 12 and 13 take more than its hour.
_TIMEOUT = "20000"

# How often a case that ended otherwise is tried again, both ways.
_ATTEMPTS = 5


def main() -> int:
    options = _parser().parse_args()
    if not options.run:
        print("where is run.py? say --run PATH, or set AUTOBAHN_RUN", file=sys.stderr)
        return 2
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for library in options.libraries.split(","):
            for role in options.roles.split(","):
                wrong += _compare(library, role, options, Path(options.out or folder) / f"{library}-{role}")
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default=os.environ.get("AUTOBAHN_RUN"), metavar="PATH", help="run.py")
    parser.add_argument("--libraries", default=",".join(LIBRARIES), metavar="A,B", help="these only")
    parser.add_argument("--roles", default=",".join(ROLES), metavar="A,B", help="server, client, or both")
    parser.add_argument("--twins", default="native,python", metavar="A,B", help="the twins to accelerate with")
    parser.add_argument("--quick", action="store_true", help="leave the slowest cases out")
    parser.add_argument("--cases", metavar="A,B", help="these only: 1,6.4,9.1.*")
    parser.add_argument("--exclude", metavar="A,B", help="not these")
    parser.add_argument("--out", metavar="DIR", help="keep what the suite writes in here")
    return parser


def _compare(library: str, role: str, options: argparse.Namespace, folder: Path) -> int:
    """Run the suite accelerated, and plain where that can tell more; how many cases went otherwise."""
    twins = {twin: _run(library, role, twin, options, folder / twin) for twin in options.twins.split(",")}
    doubtful = {case for endings in twins.values() for case, ending in endings.items() if ending != _BEST}
    plain = _run_these(doubtful, library, role, _PLAIN, options, folder / _PLAIN)
    count = 0
    for twin, accelerated in twins.items():
        different = [case for case in plain if _ending(plain, case) != _ending(accelerated, case)]
        seen = {case: ({_ending(plain, case)}, {_ending(accelerated, case)}) for case in different}
        lasting = _lasting(seen, library, role, twin, options, folder)
        better = [case for case in lasting if _is_better(_ending(accelerated, case), _ending(plain, case))]
        other = [case for case in lasting if case not in better]
        print(
            f"{library} {role}, {twin}: {len(accelerated)} cases, {_tally(accelerated)};"
            f" {len(plain)} also plain, {len(other)} otherwise",
            flush=True,
        )
        for case in better:
            print(f"  better: {_told(case, plain, accelerated)}")
        for case in other:
            print(f"  WORSE OR OTHERWISE: {_told(case, plain, accelerated)}")
        count += len(other) + (not accelerated)
    return count


def _lasting(
    endings: dict[str, tuple[set[Ending], set[Ending]]],
    library: str,
    role: str,
    twin: str,
    options: argparse.Namespace,
    folder: Path,
) -> list[str]:
    """The cases, given with how they ended plain and accelerated, that end otherwise again and again.

    How some end is a matter of time, also plain: whether an answer leaves before a fault that comes octet by octet is
    complete.
    """
    cases = list(endings)
    for attempt in range(_ATTEMPTS):
        if not cases:
            break
        for way, place in ((_PLAIN, 0), (twin, 1)):
            out = folder / f"{twin}-{way}-{attempt}"
            for case, ending in _run_these(cases, library, role, way, options, out).items():
                endings[case][place].add(ending)
        cases = [case for case in cases if not endings[case][0] & endings[case][1]]
    return cases


def _run_these(
    cases: Collection[str], library: str, role: str, way: str, options: argparse.Namespace, out: Path
) -> dict[str, Ending]:
    """Case → how it ended, for these cases alone."""
    if not cases:
        return {}
    chosen = {"cases": ",".join(cases), "exclude": None, "quick": False}
    return _run(library, role, way, argparse.Namespace(**{**vars(options), **chosen}), out)


def _run(library: str, role: str, way: str, options: argparse.Namespace, out: Path) -> dict[str, Ending]:
    """Case → how it ended."""
    echo = str(Path(__file__).with_name(f"autobahn_{library}.py"))
    run = [] if way == _PLAIN else ["-m", "fastws", "run", "--hosts", LIBRARIES[library]]
    command = " ".join([sys.executable, *run, echo, role, ROLES[role]])
    arguments = [options.run, role, "--timeout", _TIMEOUT, "--cmd", command, "--out", str(out)]
    arguments += ["--agent", library] if role == "server" else []
    arguments += ["--quick"] if options.quick else []
    for name in ("cases", "exclude"):
        if getattr(options, name):
            arguments += [f"--{name}", getattr(options, name)]
    home = str(Path(fastws.__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": home, **_WAYS[way]}
    done = subprocess.run(  # noqa: S603
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 1):
        raise RuntimeError(f"{library} {role} {way} could not be run:\n{done.stdout}{done.stderr}")
    summary: dict[str, Any] = json.loads((out / "summary.json").read_text())
    return {case: Ending(told["verdict"], told.get("remoteCloseCode")) for case, told in summary["cases"].items()}


def _ending(endings: dict[str, Ending], case: str) -> Ending:
    return endings.get(case, _MISSING)


def _is_better(one: Ending, other: Ending) -> bool:
    return _RANKS.index(one.verdict) < _RANKS.index(other.verdict)


def _told(case: str, plain: dict[str, Ending], accelerated: dict[str, Ending]) -> str:
    return f"{case}: {_ending(plain, case)} plain, {_ending(accelerated, case)} accelerated"


def _tally(endings: dict[str, Ending]) -> str:
    counts = {rank: sum(ending.verdict == rank for ending in endings.values()) for rank in _RANKS}
    return ", ".join([f"{count} {rank}" for rank, count in counts.items() if count])


if __name__ == "__main__":
    sys.exit(main())
