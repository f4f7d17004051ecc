"""A fresh interpreter, for what can only be seen before anything is imported."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import fastws


def run_python(code: str, **environment: str) -> str:
    """What a fresh interpreter prints, with the fastws of this one; it must succeed, without a warning."""
    home = str(Path(fastws.__file__).parent.parent)
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code)]
    done = subprocess.run(  # noqa: S603
        command,
        env={**os.environ, "PYTHONPATH": home, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
