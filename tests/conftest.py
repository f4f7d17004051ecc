"""Both twins for every test: the pure one, and the native one on each CPU kernel that this machine can run.

The native twin is promised unless ``FASTWS_NO_EXTENSIONS=1`` says otherwise; where it is promised and missing, the
run stops at once and says so. Nothing is skipped.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

import fastws
from fastws import _pure

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from types import ModuleType

_HOME = Path(fastws.__file__).parent
_PURE_ONLY = os.environ.get("FASTWS_NO_EXTENSIONS", "") not in ("", "0")

# The same examples in every run; `--hypothesis-profile=explore` looks for new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=100)
settings.register_profile("explore", deadline=None, max_examples=2000)
settings.load_profile("repeatable")


def _load_native() -> ModuleType | None:
    """The native twin, or None where it is not there; one that is there and does not load is an error."""
    if _PURE_ONLY:
        return None
    try:
        return importlib.import_module("fastws._native")
    except ModuleNotFoundError as error:
        if error.name != "fastws._native":
            raise
        return None


_native = _load_native()
_kernels: tuple[str, ...] = () if _native is None else _native.available_kernels()
_native_names = [f"native-{kernel}" for kernel in _kernels]


def pytest_configure() -> None:
    if _native is None and not _PURE_ONLY:
        raise pytest.UsageError(_missing())


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Tests are collected without the garbage collector, which then leaves them alone: they stay to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def _missing() -> str:
    """Why there is no native twin, and what to do about it."""
    lines = [f"fastws was imported from {_HOME}, which holds no native twin (fastws/_native)."]
    lines += [
        f"The build in {built} is shadowed by it: run `pytest`, not `python -m pytest`, or start elsewhere."
        for built in _other_builds()
    ]
    lines += ["Build it (python setup.py build_ext --inplace), or set FASTWS_NO_EXTENSIONS=1 to test the pure twin."]
    return "\n".join(lines)


def _other_builds() -> list[Path]:
    """Folders on the path that hold a fastws with a native twin."""
    homes = {Path(entry or ".").resolve() / "fastws" for entry in sys.path} - {_HOME}
    return sorted(home for home in homes if any(home.glob("_native.*.so")) or any(home.glob("_native.*.pyd")))


def pytest_report_header() -> list[str]:
    tested = ", ".join(["pure", *_native_names])
    why = " (FASTWS_NO_EXTENSIONS is set: the native twin is not tested)" if _PURE_ONLY else ""
    return [
        f"fastws {fastws.__version__} from {_HOME}",
        f"backend: {fastws.backend_name()}, kernel: {fastws.kernel_name()}; tested: {tested}{why}",
    ]


@contextmanager
def _selected(name: str) -> Iterator[ModuleType]:
    """The twin of that name; the native one with its kernel chosen, which is put back afterwards."""
    if name == "pure":
        yield _pure
        return
    assert _native is not None
    kernel = name.removeprefix("native-")
    before = _native._select_kernel(kernel)  # noqa: SLF001 - an entry made for this suite
    try:
        assert _native.kernel_name() == kernel
        yield _native
        assert _native.kernel_name() == kernel
    finally:
        _native._select_kernel(before)  # noqa: SLF001


@pytest.fixture(scope="module", params=["pure", *_native_names])
def codec(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """Each twin, the native one once per kernel."""
    with _selected(request.param) as module:
        yield module


@pytest.fixture(scope="module", params=_native_names or ["pure"])
def twin(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """The native twin once per kernel, to be compared with the pure one; that one itself where it is alone."""
    with _selected(request.param) as module:
        yield module


@pytest.fixture(scope="module")
def twins() -> Callable[[], Iterator[ModuleType]]:
    """Goes through all that ``twin`` is, for tests in which the pure one takes most of the time, and works once."""

    def in_turn() -> Iterator[ModuleType]:
        for name in _native_names or ["pure"]:
            with _selected(name) as module:
                yield module

    return in_turn


@pytest.fixture(scope="module")
def pure() -> ModuleType:
    """The specification that ``twin`` and ``twins`` are compared with."""
    return _pure


@pytest.fixture(scope="module")
def connections(codec: ModuleType) -> Iterator[ModuleType]:
    """``fastws.connection`` on each twin: its source, run once more with that one as the backend."""
    name = f"fastws.connection_on_{codec.__name__.rpartition('.')[2]}"
    spec = importlib.util.spec_from_file_location(name, _HOME / "connection.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fastws.backend.backend", codec)
        patch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        assert module.MessageDecoder is codec.MessageDecoder
        yield module
