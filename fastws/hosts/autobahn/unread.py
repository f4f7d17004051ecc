"""``data`` of a connection while messages are delivered from a long read: cut off only for who looks.

The host cuts every frame off the front of its buffer, twice, so a read of many small frames costs the square of its
size. The receiver of a message could look at the rest, so the rest has to be there. While a long read is delivered,
the connection itself has no ``data``; whoever asks for it meets this, and it is made at that moment.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Unread"]


class Unread:
    """A descriptor that is asked only where the object has no attribute of that name itself.

    Attributes:
        open: the reads that are being delivered: ``id`` of the connection → its bytes, where the rest starts, and the
            attributes of the connection.
        withdrawn: whether connections have to have ``data`` of their own again.
    """

    __slots__ = ("open", "withdrawn")

    def __init__(self) -> None:
        self.open: dict[int, list[Any]] = {}
        self.withdrawn = False

    def __get__(self, protocol: Any, owner: Any = None) -> Any:
        if protocol is None:
            raise AttributeError(f"type object {owner.__name__!r} has no attribute 'data'")
        if id(protocol) not in self.open:
            raise AttributeError(f"{type(protocol).__name__!r} object has no attribute 'data'")
        data, start, _ = self.open[id(protocol)]
        rest = protocol.__dict__["data"] = data[start:]
        return rest

    def withdraw(self) -> None:
        """Give connections in the middle of a read their ``data``, before this is taken off the class.

        In this order: whoever delivers at the same time in another thread takes ``data`` away, and looks then.
        """
        self.withdrawn = True
        for data, start, attributes in [*self.open.values()]:
            attributes.setdefault("data", data[start:])

    def serves(self, kind: type[Any]) -> bool:
        """Whether an object of this class finds this where it has no ``data``."""
        return next((vars(each)["data"] for each in kind.__mro__ if "data" in vars(each)), None) is self
