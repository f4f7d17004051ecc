"""Hosts are left as they were found, whatever a test did to them."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

import fastws.hosts
from fastws import _pure
from fastws.backend import backend
from fastws.hosts import registry, wsaccel
from vectors import KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    yield
    fastws.hosts.restore()
    wsaccel.uninstall()


@pytest.fixture(params=[_pure] if backend is _pure else [_pure, backend], ids=lambda twin: twin.__name__)
def adapted(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Each twin, as what the adapters are built on."""
    twin: ModuleType = request.param
    monkeypatch.setattr(registry, "backend", twin)
    monkeypatch.setattr(wsaccel, "backend", twin)
    return twin


@pytest.fixture
def _one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every masking key that websockets draws is the same, so that what is sent can be compared."""
    monkeypatch.setattr(secrets, "token_bytes", lambda n: KEY[:n])
