"""csrc alone: the C program in tests/csrc, built by the system's compiler and run over every kernel of this machine.

Once as csrc is shipped, with every case; once under ASan and UBSan (where the compiler has them), with every 31st of
the exhaustive ones. `.ci/csrc` runs the same program with other compilers and on other CPUs.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sysconfig
from pathlib import Path

_TESTS = Path(__file__).parent
_CSRC = _TESTS.parent / "csrc"
_STRICT = ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
_SANITIZERS = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]


def _compiler() -> list[str]:
    """The compiler that Python extensions are built with, with the options that belong to it; cc if it is not here."""
    command = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")
    return command if shutil.which(command[0]) else ["cc"]


def _build(program: Path, sources: list[Path], options: list[str]) -> subprocess.CompletedProcess[str]:
    command = [*_compiler(), *_STRICT, *options, f"-I{_CSRC}", *map(str, sources), "-o", str(program)]
    return subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the system's compiler


def _run(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Nothing in csrc allocates, and looking for leaks needs rights that a container may not give.
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
    command = [str(program), *arguments]
    return subprocess.run(  # noqa: S603 - what was just built
        command, capture_output=True, text=True, check=False, env=environment
    )


def _has_sanitizers(tmp_path: Path) -> bool:
    """Whether a program built with sanitizers starts: headers and libraries come in packages of their own."""
    source, program = tmp_path / "empty.c", tmp_path / "empty"
    source.write_text("int main(void) { return 0; }\n")
    return _build(program, [source], _SANITIZERS).returncode == 0 and _run(program).returncode == 0


def _assert_kernels_pass(tmp_path: Path, options: list[str], stride: int) -> None:
    program = tmp_path / "test_kernels"
    sources = sorted([*_CSRC.rglob("*.c"), *(_TESTS / "csrc").glob("*.c")])
    built = _build(program, sources, options)
    assert built.returncode == 0, built.stderr
    result = _run(program, str(stride))
    assert result.returncode == 0, result.stdout + result.stderr
    *subjects, last = result.stdout.splitlines()
    assert re.fullmatch(r"[1-9]\d* passed, 0 failed", last)
    assert [line.partition(":")[0] for line in subjects[:2]] == ["headers", "scalar"]


def test_every_kernel_as_shipped(tmp_path: Path) -> None:
    _assert_kernels_pass(tmp_path, ["-O3"], stride=1)


def test_every_kernel_under_sanitizers(tmp_path: Path) -> None:
    options = ["-O1", *_SANITIZERS] if _has_sanitizers(tmp_path) else ["-O1"]
    _assert_kernels_pass(tmp_path, options, stride=31)
