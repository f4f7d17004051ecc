"""A Django project with Channels, in one file: echoes text and binary, and closes with a code when asked."""

from __future__ import annotations

from typing import Any

import django
from django.conf import settings

settings.configure(ALLOWED_HOSTS=["*"], INSTALLED_APPS=["channels"], ROOT_URLCONF=__name__, USE_TZ=True)
django.setup()
urlpatterns: list[Any] = []

from channels.generic.websocket import AsyncWebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.urls import path  # noqa: E402


class Echo(AsyncWebsocketConsumer):  # type: ignore[misc]
    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if text_data == "close":
            await self.close(4001, "asked to")
        else:
            await self.send(text_data=text_data, bytes_data=bytes_data)


routes = URLRouter([path("echo", Echo.as_asgi())])
application = ProtocolTypeRouter({"http": get_asgi_application(), "websocket": routes})
