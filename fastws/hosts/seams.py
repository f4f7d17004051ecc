"""Makes the seams of a host from a table of what is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .host import Seam
from .rebase import rebase
from .shape import check_shape

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from types import FunctionType, ModuleType

__all__ = ["make_seams"]


def make_seams(
    package: ModuleType,
    known: Mapping[str, tuple[str, ...]],
    replaced: Mapping[str, Callable[[FunctionType, ModuleType], Any]],
    backend: ModuleType,
    imported_by_name: Collection[str] = (),
) -> list[Seam]:
    """Check the shape of a host and make its replacements.

    Args:
        package: the host; paths start below it.
        known: what the replacements do the work of, or rely on, with its digests, as for ``check_shape``.
        replaced: path of a function or method, and what makes its replacement from it and a twin of the codec. The
            replacement is given the place of the host's function, see ``rebase``; a static or class method stays one.
        backend: the twin of the codec.
        imported_by_name: paths of functions that other modules of the host have imported by name: there, too, they are
            replaced.
    Raises:
        HostError: the shape has moved.
    """
    check_shape(package, known)
    seams = []
    for path, make in replaced.items():
        seam = Seam.find(package, path)
        replacement = _replacement(seam.current(), make, backend)
        places = [seam, *seam.elsewhere(package)] if path in imported_by_name else [seam]
        seams += [place.with_replacement(replacement) for place in places]
    return seams


def _replacement(plain: Any, make: Callable[[Any, ModuleType], Any], backend: ModuleType) -> Any:
    if isinstance(plain, (staticmethod, classmethod)):
        return type(plain)(rebase(make(plain.__func__, backend), plain.__func__))
    return rebase(make(plain, backend), plain)
