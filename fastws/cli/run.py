"""``python -m fastws run``: any program with accelerated host libraries."""

from __future__ import annotations

import argparse
import functools
import importlib
import os
import pkgutil
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from .. import hosts
from ..backend import backend_name, kernel_name, why_not_native
from . import PROGRAM
from .options import name_list
from .program import Program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..hosts import HostStatus

__all__ = ["main"]

_DESCRIPTION = """\
Run a program as python would, with the WebSocket libraries that it uses accelerated. Its arguments follow it and are
its own. Processes that it starts afresh (subprocess, multiprocessing with "spawn") run plain; forked ones do not.
"""


def main(arguments: Sequence[str]) -> int:
    """Run the command.

    Returns: the exit status: 2 where a host cannot be accelerated or the command line is wrong. What the program
        raises, SystemExit included, goes on to the interpreter.
    """
    head, words = _split(arguments)
    parser = _parser()
    options = parser.parse_args(head)
    if words[:1] == ["-m"] and len(words) == 1:
        parser.error("-m needs the name of a module")
    if not words or words[0] in ("", "-"):
        parser.error("name a SCRIPT, or a module with -m")
    if options.compare:
        return _compare(options, words)
    program = Program(words)
    program.set_path()
    _load_what_might_be_shadowed()
    if not _accelerate(options):
        return 2
    try:
        program.run()
    finally:
        for name in hosts.unnoticed():
            _tell(f"{name} is not accelerated: the program imports it in a way of its own")
    return 0


def _load_what_might_be_shadowed() -> None:
    """Import what the status of a host asks for later, if the program has modules that might be found instead.

    It takes as long as fastws itself, so other programs have it imported where a host is told of.
    """
    folder = sys.path.pop(0)
    try:
        if any(module.name in sys.stdlib_module_names for module in pkgutil.iter_modules([folder])):
            importlib.import_module("importlib.metadata")
    finally:
        sys.path.insert(0, folder)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"{PROGRAM} run",
        usage="%(prog)s [--hosts A,B] [--compare] [--verbose] (SCRIPT | -m MODULE) [ARGUMENT …]",
        description=_DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--hosts",
        metavar="A,B",
        type=name_list,
        default=[],
        help="accelerate these and fail if one cannot be; without it, all that the program imports",
    )
    parser.add_argument("--compare", action="store_true", help="run it plain, then accelerated, and tell both times")
    parser.add_argument("--verbose", action="store_true", help="tell what is accelerated")
    return parser


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part the command's own options from the program and its arguments, which are not looked at.

    Returns: the options; and the program as a list that starts with a script, or with ``-m`` and a module.
    """
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        if argument == "--":
            position += 1
            break
        if argument.startswith("-m") or not argument.startswith("-") or argument == "-":
            break
        position += 2 if argument == "--hosts" else 1
    head, words = list(arguments[:position]), list(arguments[position:])
    if head[-1:] == ["--"]:
        del head[-1]
    if words and words[0].startswith("-m") and words[0] != "-m":
        words[:1] = ["-m", words[0].removeprefix("-m")]
    return head, words


def _accelerate(options: argparse.Namespace) -> bool:
    """Accelerate what was asked for; what a user should know goes to standard error.

    Returns: False where a host that was named cannot be accelerated.
    """
    try:
        names = hosts.accelerate(*options.hosts)
    except (ValueError, hosts.HostError) as error:
        _tell(str(error))
        return False
    if why_not_native() is not None and not os.environ.get("FASTWS_NO_EXTENSIONS"):
        _tell(f"the native twin is missing: {why_not_native()}")
    if options.verbose:
        _tell(f"backend {backend_name()}, kernel {kernel_name()}")
    for host in hosts.host_status() if names else ():
        if host.name in names:
            _tell_host(host, options.verbose)
    hosts.tell_late(functools.partial(_tell_host, verbose=options.verbose))
    return True


def _tell_host(host: HostStatus, verbose: bool) -> None:
    """What a user should know of a host that the program uses."""
    if not host.accelerated:
        _tell(f"{host.name} {host.installed} is not accelerated: {host.reason}")
    elif verbose:
        _tell(f"{host.name} {host.installed} is accelerated, depth {host.depth}")


# What is told goes where it went before the program began, which may put something else in its place, or close it.
_standard_error: Final = sys.stderr


def _tell(text: str) -> None:
    if _standard_error is not None:
        with suppress(OSError, ValueError):
            print(f"{PROGRAM} run: {text}", file=_standard_error)


def _compare(options: argparse.Namespace, words: Sequence[str]) -> int:
    from .compare import compare

    # Here only to hear now that a host cannot be accelerated.
    if not _accelerate(options):
        return 2
    head = [f"--hosts={','.join(options.hosts)}"] if options.hosts else []
    return compare(head, words)
