"""A digest tells what a function does, and nothing else."""

from __future__ import annotations

import importlib.util
import linecache
import sys
from typing import TYPE_CHECKING, Any

import pytest

from fastws.hosts import HostError
from fastws.hosts.shape import check_shape, digest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

ORIGINAL = """
def work(data, size=3):
    if size > 2:
        return data[:size]
    return f"{data!r}: {size:>4}"
"""

SAME = {
    "comments and layout": """
def work(
    data,
    size=3,  # bytes
):
    # short data
    if size > 2:

        return data[:size]
    return f'{data!r}: {size:>4}'
""",
    "annotations": """
def work(data: bytes, size: int = 3) -> bytes | str:
    if size > 2:
        return data[:size]
    return f"{data!r}: {size:>4}"
""",
    "docstring": '''
def work(data, size=3):
    """Does the work."""
    if size > 2:
        return data[:size]
    return f"{data!r}: {size:>4}"
''',
}

OTHER = {
    "constant": ORIGINAL.replace("> 2", "> 4"),
    "default": ORIGINAL.replace("size=3", "size=4"),
    "text": ORIGINAL.replace(": {", "; {"),
    "format": ORIGINAL.replace(">4", ">5"),
    "operator": ORIGINAL.replace("> 2", ">= 2"),
    "name": ORIGINAL.replace("data", "text"),
    "order": "def work(data, size=3):\n    return f'{data!r}: {size:>4}'\n    if size > 2: return data[:size]\n",
    "nesting": ORIGINAL.replace("    return f", "        return f"),
    "decorator": "def same(function): return function\n\n@same" + ORIGINAL,
    "kind": "async " + ORIGINAL.lstrip(),
}


@pytest.fixture
def load(tmp_path: Path) -> Callable[[str], ModuleType]:
    """A module made from source, in a file, as a host's is."""

    def load(source: str) -> ModuleType:
        path = tmp_path / "host.py"
        path.write_text(source)
        linecache.checkcache()
        spec = importlib.util.spec_from_file_location("host", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        exec(compile(source, str(path), "exec", dont_inherit=True), vars(module))  # noqa: S102 - no stale bytecode
        return module

    return load


def _digest(module: ModuleType) -> str:
    work: Any = module.work
    return digest(work)


@pytest.mark.parametrize("case", SAME)
def test_what_does_not_matter(load: Callable[[str], ModuleType], case: str) -> None:
    assert _digest(load(SAME[case])) == _digest(load(ORIGINAL))


@pytest.mark.parametrize("case", OTHER)
def test_what_matters(load: Callable[[str], ModuleType], case: str) -> None:
    assert _digest(load(OTHER[case])) != _digest(load(ORIGINAL))


def test_the_digest_is_the_same_on_every_python(load: Callable[[str], ModuleType]) -> None:
    """The digests that adapters hold were taken once, and have to hold wherever the host runs."""
    assert _digest(load(ORIGINAL)) == "21c48c6ef8a5fa22"


def test_paths(load: Callable[[str], ModuleType], monkeypatch: pytest.MonkeyPatch) -> None:
    package, module = (
        load("x = 1"),
        load(ORIGINAL + "\nclass Kind:\n    @staticmethod\n    def make():\n        pass\n"),
    )
    module.__name__ = "host.part"
    monkeypatch.setitem(sys.modules, "host.part", module)
    known = {"part.work": (_digest(module),), "part.Kind.make": (digest(module.Kind.make),)}
    check_shape(package, known)
    with pytest.raises(HostError, match=r"^host\.part\.Kind\.make is not what the adapter was written against$"):
        check_shape(package, {**known, "part.Kind.make": ("0" * 16,)})
    for gone in ("part.play", "part.Kind.take", "whole.work", "part.work.inner"):
        with pytest.raises(HostError, match=rf"^host\.{gone} does not exist$"):
            check_shape(package, {gone: ("0" * 16,)})
    with pytest.raises(HostError, match=r"^host\.part\.Kind has been replaced by something else$"):
        check_shape(package, {"part.Kind": ("0" * 16,)})
