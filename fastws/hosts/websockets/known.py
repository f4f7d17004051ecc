"""What the replacements do the work of, or rely on, and its digests in the versions that were tried."""

from __future__ import annotations

from typing import Final

__all__ = ["KNOWN", "KNOWN_PARTS", "KNOWN_SEND_CONTEXT"]

KNOWN: Final[dict[str, tuple[str, ...]]] = {
    "utils.apply_mask": ("1080e6bcdda91f9c", "515f2cc912c1c426"),
    "frames.Frame.parse": ("2ffef7516f41b36c",),
    "frames.Frame.serialize": ("661bad836373f80b", "830b980cc07126d2"),
    "frames.Frame.check": ("7bf8963ae00aab22",),
    "extensions.permessage_deflate.PerMessageDeflate.decode": (
        "6e18e101f3d0eab1",
        "84015ac89b2e219e",
        "b46f4587a3dcf623",
        "dcb5cb89576b8d06",
    ),
    "extensions.permessage_deflate.PerMessageDeflate.encode": (
        "a21b2d1411946420",
        "330ad1e38031a7fe",
        "ec916726292f117f",
    ),
    "streams.StreamReader.__init__": ("1955fd58ad858d3c",),
    "streams.StreamReader.read_exact": ("4736e87bca70ca1e",),
    "streams.StreamReader.at_eof": ("1cc1caa4940d9f4b",),
    "streams.StreamReader.feed_data": ("1886f9bcd2e39881",),
    "streams.StreamReader.feed_eof": ("bc827144c8918858",),
    "streams.StreamReader.discard": ("5456fac9c2c52683",),
    "protocol.Protocol.__init__": ("855afe407ca94e63", "205521df90e3709e"),
    "protocol.Protocol.receive_data": ("f3e70e1783fb7b04",),
    "protocol.Protocol.receive_eof": ("89d4c08b154693fd",),
    "protocol.Protocol.send_continuation": ("31487d73fdfee1a6", "ab0601b099f8614c"),
    "protocol.Protocol.send_text": ("1624e9abb8f5476b", "a89e49219678316c"),
    "protocol.Protocol.send_binary": ("3043c9f9f196dbcf", "f07c3dc5406028a4"),
    "protocol.Protocol.fail": ("a5eb942cde8a35b7", "5c2671f16bd39604"),
    "protocol.Protocol.events_received": ("2bcceb2507a08fde",),
    "protocol.Protocol.data_to_send": ("8c7a4af5a234a0f5",),
    "protocol.Protocol.close_expected": ("806e6d5aeeafac64",),
    "protocol.Protocol.parse": ("6c5dd032601070dd", "f0543567330ac6bd"),
    "protocol.Protocol.discard": ("0823c28b85bee305", "ed53d8d00f229d06"),
    "protocol.Protocol.recv_frame": ("a8c9d9b574e16672", "b61c19e0b7fd5368", "d2e45e82ac924ea4"),
    "protocol.Protocol.send_frame": ("e19a014cd5ae9106",),
}

# name of an interface → the same for what its programs import
KNOWN_PARTS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "asyncio": {
        "asyncio.messages.SimpleQueue.__init__": ("40985c40ee2ec852",),
        "asyncio.messages.SimpleQueue.__len__": ("6a4bfdc5ffe888d1",),
        "asyncio.messages.SimpleQueue.put": ("bc142aa93f85eddd",),
        "asyncio.messages.SimpleQueue.get": ("84f3e9d90da0a663",),
        "asyncio.messages.Assembler.__init__": ("32329238aeff2ced",),
        "asyncio.messages.Assembler.get": (
            "c5247cb8f490ecc5",
            "a71017de45d900e8",
            "491f288dfea5ff68",
            "f13c33fdbd778f25",
        ),
        "asyncio.messages.Assembler.get_iter": ("595ed50d9e6cc8e9", "508c9297cf8bbc09", "52ef8f5c028583ae"),
        "asyncio.messages.Assembler.put": ("f2d74f49a71c593e",),
        "asyncio.messages.Assembler.maybe_pause": ("6546b9692ba794f6",),
        "asyncio.messages.Assembler.maybe_resume": ("38e7fed62dcb6709",),
        "asyncio.connection.Connection.recv": ("1e5b73efbf4293ac", "d5f292f461316601", "a849c9f9a02d56dd"),
        "asyncio.connection.Connection.send": (
            "1700e146ac8e1b4a",
            "c42b5b6f36df9d9b",
            "5755d6565ea05837",
            "faf65223bc1bc32c",
        ),
        "asyncio.connection.Connection.process_event": ("97f7d219fb1de11e", "cf17afd9b7120c26"),
        "asyncio.connection.Connection.send_data": ("32dbb2f674d2c2d4", "4e51efff39a9c514"),
        "asyncio.connection.Connection.drain": ("04970f0b317177c4",),
    },
    "sync": {
        "sync.messages.Assembler.__init__": ("cb98eff5c8eb61c5",),
        "sync.messages.Assembler.get_next_frame": ("401a5b98cfc56740", "b117b339a625ebc0"),
        "sync.messages.Assembler.reset_queue": ("5658a7cd4a1956af",),
        "sync.messages.Assembler.get": ("cf063ec40afb03eb", "4044cc3f5247145c", "aee2332c30780a46", "f8a8ea46635cb0be"),
        "sync.messages.Assembler.get_iter": ("e5a36dfb42f1d758", "c1aa0bc89ad738a1", "4c2ac298769b3c9e"),
        "sync.messages.Assembler.put": ("da62f668823829be",),
        "sync.messages.Assembler.maybe_pause": ("5eaea8a02fad94b2",),
        "sync.messages.Assembler.maybe_resume": ("ede69b07d393cf56",),
        "sync.messages.Assembler.close": ("9d721fb5803c3466", "e338038ba20eab7f"),
        "sync.connection.Connection.recv": ("99112555dba9668c", "6b3455383bad7360", "3dd4102b9a10c427"),
        "sync.connection.Connection.send": (
            "f2452c1da9f49446",
            "8ccdf0455eb94314",
            "f9c1732591663be6",
            "441a643574bd6c93",
        ),
        "sync.connection.Connection.process_event": ("97f7d219fb1de11e", "cf17afd9b7120c26"),
        "sync.connection.Connection.send_data": ("c4ad6616fbe44ef8",),
    },
    "trio": {
        "trio.messages.Assembler.__init__": ("cbcbf1b37be9e02b",),
        "trio.messages.Assembler.get": ("8aa01c7648ea7a88", "729f3c9009856e4c", "fabc61b4e66cd010"),
        "trio.messages.Assembler.get_iter": ("af0465f776f66149",),
        "trio.messages.Assembler.put": ("85e02a5a6cdcf30b",),
        "trio.messages.Assembler.maybe_pause": ("8a28e962aecaebe1",),
        "trio.messages.Assembler.maybe_resume": ("d0a424993ed48fc1",),
        "trio.connection.Connection.recv": ("5f148a1496c0e207", "7aa54d3edc0573fc"),
        "trio.connection.Connection.process_event": ("cf17afd9b7120c26",),
    },
    "legacy": {
        "legacy.framing.Frame.read": ("f3af0e47439872fa",),
        "legacy.framing.Frame.write": ("a05cbc4a2f862ef0",),
        "legacy.protocol.WebSocketCommonProtocol.read_message": (
            "30595fbc586201eb",
            "4e15556653445817",
            "a2c25687e9315f59",
        ),
        "legacy.protocol.WebSocketCommonProtocol.read_data_frame": ("5c811a77b80bf9ff",),
        "legacy.protocol.WebSocketCommonProtocol.read_frame": ("6a9711041f5e894d",),
        "legacy.protocol.WebSocketCommonProtocol.write_frame_sync": ("266a82cae527f0a3",),
        "legacy.framing.prepare_data": ("7f44deda5741072d",),
    },
}

# The same for ``send_context``, which a decorator of contextlib makes a context manager.
KNOWN_SEND_CONTEXT: Final[dict[str, tuple[str, ...]]] = {
    "asyncio": ("b3c44d5ccf841275", "483734166db2379a", "7d557593e70687d0", "d2e36962832ce92a", "b21d4013de5db889"),
    "sync": ("5abfcd4b949b69d5", "7fa429dc9b84c80b", "78093e7618d751da"),
}
