"""A pytest plugin for uvicorn's own suite: ``fastws.uvicorn`` stands in the place of its default protocol class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from uvicorn.protocols.websockets import websockets_sansio_impl

import fastws.uvicorn

if TYPE_CHECKING:
    from asyncio import TimerHandle

    from uvicorn.config import Config


class OneMessageAtATime(fastws.uvicorn.WebSocketProtocol):
    """As uvicorn's own classes, whatever the setting: some tests look at when reading is paused."""

    def __init__(self, config: Config, *rest: Any, **options: Any) -> None:
        config.ws_max_queue = 1
        super().__init__(config, *rest, **options)

    # Where those classes have what the tests look at.

    @property
    def ping_sent_at(self) -> float:
        return self._keepalive.sent_at

    @property
    def ping_timer(self) -> TimerHandle | None:
        return self._keepalive.timer


websockets_sansio_impl.WebSocketsSansIOProtocol = OneMessageAtATime  # type: ignore[misc, assignment]
