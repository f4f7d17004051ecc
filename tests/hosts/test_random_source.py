"""A random source that was replaced before a host was accelerated, or before anything was imported, is asked."""

from __future__ import annotations

from fresh import run_python

# host → code that defines `masked`, a frame of b"abc" as bytes
FRAMES = {
    "websocket-client": "import websocket\nmasked = websocket.ABNF.create_frame(b'abc', 2).format()",
    "wsproto": """
        from wsproto.frame_protocol import FrameProtocol
        masked = FrameProtocol(client=True, extensions=[]).send_data(b'abc')
    """,
    "tornado": """
        from types import SimpleNamespace
        from tornado.websocket import WebSocketProtocol13
        connection = WebSocketProtocol13(None, True, SimpleNamespace(compression_options=None))
        connection.stream = SimpleNamespace(write=lambda frame: frame)
        masked = connection._write_frame(True, 2, b'abc')
    """,
    "paho-mqtt": """
        from paho.mqtt.client import _WebsocketWrapper
        masked = _WebsocketWrapper._create_frame(None, 2, bytearray(b'abc'))
    """,
    "ws4py": "from ws4py.messaging import BinaryMessage\nmasked = BinaryMessage(b'abc').single(mask=True)",
    "lomond": "from lomond.frame import Frame\nmasked = Frame.build(2, b'abc')",
}

_PROGRAM = f"""
import os, textwrap
os.urandom = lambda size: bytes(range(1, size + 1))
import fastws
for host, code in {FRAMES!r}.items():
    fastws.accelerate(host)
    found = dict()
    exec(textwrap.dedent(code), found)
    print(host, bytes(found["masked"]).hex(" "))
"""


def test_replaced_before_all() -> None:
    assert run_python(_PROGRAM).splitlines() == [f"{host} 82 83 01 02 03 04 60 60 60" for host in FRAMES]
