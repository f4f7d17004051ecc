"""A Socket.IO client that talks over WebSocket alone."""

from __future__ import annotations

import queue
import sys
from typing import Any

import socketio

client = socketio.Client()
arrived: queue.Queue[tuple[Any, ...]] = queue.Queue()
client.on("pushed", lambda *values: arrived.put(values))
client.connect(sys.argv[1], transports=["websocket"], wait_timeout=60)
print(client.transport())
for values in (("héllo 你好 😀", b"\xff\x00"), ("x" * 100_000, bytes(100_000)), ({"nested": [1, "é", b"\xfe"]},)):
    print(ascii(client.call("echo", values, timeout=60))[:200])
client.emit("push", 50)
print([arrived.get(timeout=60)[0] for _ in range(50)])
client.disconnect()
