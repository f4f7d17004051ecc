"""Runs the test suite that a host brings along, plain and accelerated, and tells what every test did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import fastws
from fastws.hosts.registry import host_status

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: The twins there are, as FASTWS_NO_EXTENSIONS chooses them.
BACKENDS = ["python"] if fastws.backend_name() == "python" else ["python", "native"]

_PATH = [str(Path(fastws.__file__).parent.parent), str(Path(__file__).parent)]


@dataclass(frozen=True)
class Run:
    """One run of a suite.

    Attributes:
        hosts: what is accelerated.
        backend: the twin of the codec, one of ``BACKENDS``.
        wsaccel: whether the host finds no wsaccel, that of fastws, or what is installed.
        environment: variables for this run.
    """

    hosts: tuple[str, ...] = ()
    backend: str = "python"
    wsaccel: Literal["blocked", "offered", "as installed"] = "blocked"
    environment: Mapping[str, str] = field(default_factory=dict)


def plain_and_accelerated(host: str, **environment: str) -> dict[str, Run]:
    """A plain run, and one with each twin: ``"plain"``, ``"python"``, ``"native"``."""
    plain = Run(environment=environment)
    return {"plain": plain, **{backend: Run((host,), backend, environment=environment) for backend in BACKENDS}}


def run_pytest(
    runs: Mapping[str, Run], folder: Path, arguments: Sequence[str], *, timeout: float = 250
) -> dict[str, dict[str, Any]]:
    """Run a suite that pytest can run, all runs side by side, each in a process of its own.

    Args:
        runs: by name.
        folder: an empty one; each run gets a folder in it, where it starts.
        arguments: what to give pytest: absolute paths, or ``--pyargs`` and a package.
        timeout: seconds for all of them.
    Returns: for each run ``outcomes`` (test → what its phases did), ``hits`` (seam → calls), ``accelerated``,
        ``backend``.
    """
    command = ["-m", "pytest", "-q", "-p", "suite_plugin", "-p", "no:cacheprovider", *arguments]
    return run_program(runs, folder, command, timeout=timeout)


def run_program(
    runs: Mapping[str, Run], folder: Path, command: Sequence[str], *, timeout: float = 250
) -> dict[str, dict[str, Any]]:
    """The same with what ``command`` makes Python run, which does what ``suite_plugin`` does."""
    processes = {}
    for name, run in runs.items():
        (folder / name).mkdir(parents=True)
        processes[name] = _start(run, folder / name, command)
    try:
        outputs = {name: process.communicate(timeout=timeout)[0] for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.kill()
    for name, process in processes.items():
        # 1: some tests failed, which the outcomes tell.
        assert process.returncode in (0, 1), f"{name}:\n{outputs[name]}"
    return {name: json.loads((folder / name / "report.json").read_text()) for name in runs}


def _start(run: Run, folder: Path, command: Sequence[str]) -> subprocess.Popen[str]:
    order = {"hosts": run.hosts, "wsaccel": run.wsaccel, "report": str(folder / "report.json")}
    environment = {
        **os.environ,
        "FASTWS_COUNT_SEAMS": "1",
        "FASTWS_NO_EXTENSIONS": "1" if run.backend == "python" else "",
        "FASTWS_SUITE": json.dumps(order),
        "PYTHONPATH": os.pathsep.join(_PATH),
        "PYTEST_ADDOPTS": "",
        **run.environment,
    }
    return subprocess.Popen(  # noqa: S603
        [sys.executable, *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def check_runs(
    told: Mapping[str, dict[str, Any]],
    host: str,
    *,
    passed: int,
    not_hit: Sequence[str] = (),
    native_only: Sequence[str] = (),
) -> None:
    """Assert that the accelerated runs of ``plain_and_accelerated`` did what the plain one did, through every seam.

    Args:
        told: what ``run_pytest`` returned.
        host: its name.
        passed: tests that pass, at least.
        not_hit: seams that the host's suite does not reach.
        native_only: seams that the pure twin leaves to the host.
    """
    plain = told["plain"]
    assert plain["accelerated"] == []
    assert plain["hits"] == {}
    assert sum("call passed" in outcomes for outcomes in plain["outcomes"].values()) >= passed
    (replaced,) = [status.replaces for status in host_status() if status.name == host]
    for backend in BACKENDS:
        accelerated = told[backend]
        assert accelerated["backend"] == backend
        assert accelerated["accelerated"] == [host]
        different = {
            test: (plain["outcomes"].get(test), accelerated["outcomes"].get(test))
            for test in {**plain["outcomes"], **accelerated["outcomes"]}
            if plain["outcomes"].get(test) != accelerated["outcomes"].get(test)
        }
        assert different == {}
        left = {*not_hit, *(native_only if backend != "native" else ())}
        assert set(replaced) - left <= set(accelerated["hits"])
