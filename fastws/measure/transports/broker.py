"""A mosquitto broker in a process of its own."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

from .ends import HOST, PATIENCE

__all__ = ["Broker", "find_mosquitto", "mosquitto_version"]

#: Where Debian and Homebrew put it, beside the PATH.
_FOLDERS: Final = "/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin"

# Somebody else may take a port that was free a moment ago.
_TRIES: Final = 5


def find_mosquitto() -> str | None:
    """The path of the program, if it is installed."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=_FOLDERS)


def mosquitto_version() -> str | None:
    """Such as "2.0.11"; None where it is not installed."""
    program = find_mosquitto()
    if program is None:
        return None
    # It knows no option that tells nothing else, and calls this one an error.
    told = subprocess.run([program, "-h"], capture_output=True, text=True, check=False)  # noqa: S603
    found = re.search(r"version (\S+)", told.stdout)
    return found[1] if found else "of an unknown version"


class Broker:
    """Listens on two free ports of this machine until ``stop``.

    No message is dropped because too many wait (mosquitto's own limit is 1000 for each client), and small packets are
    sent at once (``mqtt.py`` says why); all else is as it comes.

    Attributes:
        tcp, websockets: ports.
        pid: of the process.
    Raises:
        RuntimeError: it did not start; with what it said.
    """

    def __init__(self) -> None:
        program = find_mosquitto()
        if program is None:
            raise RuntimeError("mosquitto is not installed")
        self._folder = tempfile.TemporaryDirectory(prefix="fastws-mosquitto-")
        for _ in range(_TRIES):
            self.tcp, self.websockets = _free_port(), _free_port()
            self._process = self._start(program)
            self.pid = self._process.pid
            if self._listens(self.tcp) and self._listens(self.websockets):
                return
            self._end()
        log = self._log.read_text(errors="replace")
        self._folder.cleanup()
        raise RuntimeError(f"mosquitto did not start: {log.strip()}")

    def stop(self) -> None:
        """End the process."""
        self._end()
        self._folder.cleanup()

    def _start(self, program: str) -> subprocess.Popen[bytes]:
        lines = (
            "allow_anonymous true",
            "persistence false",
            "max_queued_messages 0",
            "set_tcp_nodelay true",
            f"listener {self.tcp} {HOST}",
            f"listener {self.websockets} {HOST}",
            "protocol websockets",
        )
        configuration = Path(self._folder.name, "mosquitto.conf")
        configuration.write_text("\n".join([*lines, ""]))
        self._log = Path(self._folder.name, "log")
        with self._log.open("w") as log:
            return subprocess.Popen([program, "-c", str(configuration)], stdout=log, stderr=log)  # noqa: S603

    def _end(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)

    def _listens(self, port: int) -> bool:
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None and time.monotonic() < deadline:
            with suppress(OSError), closing(socket.create_connection((HOST, port), timeout=PATIENCE)):
                return True
            time.sleep(0.01)
        return False


def _free_port() -> int:
    with closing(socket.create_server((HOST, 0))) as server:
        port: int = server.getsockname()[1]
        return port
