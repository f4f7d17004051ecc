"""Declares the one extension; everything static stands in pyproject.toml.

``FASTWS_BUILD_EXTENSION``: ``yes`` makes a failed compilation fatal, ``no`` leaves the extension out, unset tries.
``FASTWS_CFLAGS`` is added to the compiler's and the linker's options (sanitizers, warnings as errors, coverage).
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CSRC = Path("csrc")


class BuildHereToo(build_ext):
    """Leaves the extension in the source tree as well.

    Started in that tree, Python takes the package from there and not the one that was installed.
    """

    def run(self) -> None:
        super().run()
        self.copy_extensions_to_source()


def compile_args() -> list[str]:
    """Optimisation is stated: distributions build with -O2, where gcc 12 leaves plain loops narrow."""
    if sys.platform == "win32":
        return ["/O2", "/std:c11"]
    return ["-O3", "-std=c11", "-fvisibility=hidden"]


def extensions(wanted: str) -> list[Extension]:
    if wanted == "no":
        return []
    from Cython.Build import cythonize

    extra = os.environ.get("FASTWS_CFLAGS", "").split()
    native = Extension(
        "fastws._native",
        sources=["fastws/_native.pyx", *sorted(str(path) for path in CSRC.rglob("*.c"))],
        depends=sorted(str(path) for path in CSRC.rglob("*.h")),
        include_dirs=[str(CSRC)],
        extra_compile_args=compile_args() + extra,
        extra_link_args=extra,
        optional=wanted != "yes",
    )
    modules: list[Extension] = cythonize([native])
    return modules


BUILD = os.environ.get("FASTWS_BUILD_EXTENSION", "")
if BUILD not in ("", "yes", "no"):
    raise SystemExit(f"FASTWS_BUILD_EXTENSION is yes, no or unset, not {BUILD!r}")

setup(ext_modules=extensions(BUILD), cmdclass={"build_ext": BuildHereToo})
