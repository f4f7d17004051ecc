"""Tells whether a host's functions are the ones that an adapter was written against.

An adapter that does the work of a function has to know what that function does, not only its name and signature. So
each function is known by a digest of its syntax tree: names, constants and structure, without comments, layout,
docstrings and annotations. A release that changes one of them in what it does has moved, and is refused.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import textwrap
from types import FunctionType
from typing import TYPE_CHECKING, Any

from .host import HostError, split_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import ModuleType

__all__ = ["check_shape", "digest"]

# What a syntax tree says that is not behaviour, or that depends on the Python which parsed it.
_IGNORED = frozenset({"annotation", "returns", "ctx", "kind", "type_comment", "type_ignores", "type_params"})


def check_shape(package: ModuleType, known: Mapping[str, tuple[str, ...]]) -> None:
    """Compare functions of a host with what an adapter knows of them.

    Args:
        package: the host; paths start below it.
        known: path of a function, such as ``"_abnf.ABNF.mask"``, and the digests that the adapter knows for it.
    Raises:
        HostError: a function is missing, is replaced by something else, or differs.
    """
    for path, digests in known.items():
        full = f"{package.__name__}.{path}"
        found = _find(package, path, full)
        if digest(found, full) not in digests:
            raise HostError(f"{full} is not what the adapter was written against")


def digest(function: FunctionType, path: str = "") -> str:
    """A short name for what a function does: 16 hexadecimal digits.

    Raises:
        HostError: the source of the function cannot be read.
    """
    try:
        return read_digest(function)
    except (OSError, TypeError, SyntaxError) as error:
        raise HostError(f"the source of {path or function.__qualname__} cannot be read: {error}") from error


@functools.cache
def read_digest(function: FunctionType) -> str:
    """The digest of a function, once; OSError or SyntaxError where its source cannot be read.

    The source is found through its code, which tells the true place also of a function that is wrapped.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(function.__code__)))
    words = "\n".join(_words(tree.body[0]))
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def _find(package: ModuleType, path: str, full: str) -> FunctionType:
    """The function at ``path``, with nothing bound; one that was defined elsewhere is not the host's."""
    module, names = split_path(package, path)
    found: Any = module
    for name in names:
        found = getattr(found, "__dict__", {}).get(name)
    if found is None:
        raise HostError(f"{full} does not exist")
    if isinstance(found, (staticmethod, classmethod)):
        found = found.__func__
    if not isinstance(found, FunctionType) or found.__globals__.get("__name__") != module.__name__:
        raise HostError(f"{full} has been replaced by something else")
    return found


def _words(node: ast.AST) -> Iterator[str]:
    """The syntax tree as a list of words, the same for every Python version that reads this source alike."""
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        if name in _IGNORED:
            continue
        for item in _without_docstring(node, name, value):
            yield from _words(item) if isinstance(item, ast.AST) else (f"{name}={item!r}",)
    yield "."


def _without_docstring(node: ast.AST, name: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        return [value]
    if name == "body" and isinstance(node, (ast.FunctionDef, ast.ClassDef)) and ast.get_docstring(node, clean=False):
        return value[1:]
    return value
