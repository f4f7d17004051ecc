"""A Flask application with Flask-Sock: echoes text and binary, and closes with a code when asked."""

from __future__ import annotations

from typing import Any

from flask import Flask
from flask_sock import Sock

app = Flask(__name__)
sock = Sock(app)


@sock.route("/echo")  # type: ignore[untyped-decorator]
def echo(websocket: Any) -> None:
    while True:
        message = websocket.receive()
        if message == "close":
            websocket.close(4001, "asked to")
            return
        websocket.send(message)
