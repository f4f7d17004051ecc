"""autobahn on Twisted: ``test_autobahn.py`` once more, in a process of its own, as a process has one framework only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# Without those that cut every stream everywhere, which does not depend on the framework.
_CHOSEN = "not one_piece and not every_split and not long_reads and not any_traffic"


def test_on_twisted() -> None:
    home = Path(__file__).parent
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-k", _CHOSEN]
    done = subprocess.run(  # noqa: S603
        [*command, str(home / "test_autobahn.py")],
        cwd=home.parents[1],
        env={**os.environ, "FASTWS_TEST_FRAMEWORK": "twisted"},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout
