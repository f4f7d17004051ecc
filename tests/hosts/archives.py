"""Source archives of the hosts, for those whose own test suite is not in their wheel."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from importlib import metadata
from typing import TYPE_CHECKING

import unearth

if TYPE_CHECKING:
    from pathlib import Path

_ATTEMPTS = 4


def source_archive(distribution: str, folder: Path) -> Path:
    """Download the source archive of the version that is installed, from the index that pip uses, and unpack it.

    Returns: the root of what was in it.
    """
    requirement = f"{distribution}=={metadata.version(distribution)}"
    finder = unearth.PackageFinder(index_urls=[_index()], no_binary=[distribution], ignore_compatibility=True)
    for left in reversed(range(_ATTEMPTS)):
        try:
            found = finder.find_best_match(requirement).best
            assert found is not None, f"the index has no source archive of {requirement}"
            return finder.download_and_unpack(found.link, folder)
        except Exception:  # noqa: PERF203 - what is tried again is the point
            # An index that is far away fails now and then.
            if not left:
                raise
            time.sleep(2)
    raise AssertionError


def _index() -> str:
    """The package index as pip is told."""
    if "PIP_INDEX_URL" in os.environ:
        return os.environ["PIP_INDEX_URL"]
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    return asked.stdout.strip() or "https://pypi.org/simple/"
