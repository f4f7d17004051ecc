"""What an adapter tells about its host, and how a host is replaced: whole or not at all."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["Host", "HostError", "HostStatus", "Seam", "split_path"]

_MISSING: Any = object()


class HostError(RuntimeError):
    """A host library cannot be accelerated: it is not installed, or it is not shaped as the adapter expects."""


def split_path(package: ModuleType, path: str) -> tuple[ModuleType, list[str]]:
    """Part a path below a package into the module, which is imported, and the names within it."""
    parts = path.split(".")
    for end in range(len(parts) - 1, 0, -1):
        # An import that has not ended yet has not made the module an attribute of its package.
        module = sys.modules.get(".".join([package.__name__, *parts[:end]]))
        if isinstance(module, ModuleType):
            return module, parts[end:]
    return package, parts


@dataclass(frozen=True, eq=False)
class Seam:
    """One attribute of a host and what stands there while the host is accelerated.

    Attributes:
        path: how people write it, such as ``"websocket._abnf.ABNF.mask"``.
        owner: the module or class that holds it.
        name: the attribute of ``owner``.
        replacement: the object to put there; a ``staticmethod`` object where the original is one.
    """

    path: str
    owner: Any
    name: str
    replacement: Any = _MISSING

    @classmethod
    def find(cls, package: ModuleType, path: str) -> Seam:
        """The seam at ``path`` below a package, without a replacement.

        Raises:
            HostError: there is nothing.
        """
        owner: Any
        owner, (*owners, name) = split_path(package, path)
        full = f"{package.__name__}.{path}"
        for part in owners:
            owner = vars(owner).get(part)
            if not isinstance(owner, type):
                raise HostError(f"{full} does not exist")
        seam = cls(full, owner, name)
        if seam.current() is _MISSING:
            raise HostError(f"{full} does not exist")
        return seam

    def elsewhere(self, package: ModuleType) -> list[Seam]:
        """The same function in the modules of the package that have imported it by name."""
        found = []
        for name, module in sorted(sys.modules.copy().items()):
            inside = f"{name}.".startswith(f"{package.__name__}.") and isinstance(module, ModuleType)
            if inside and module is not self.owner and vars(module).get(self.name) is self.current():
                found.append(replace(self, path=f"{name}.{self.name}", owner=module))
        return found

    def with_replacement(self, replacement: Any) -> Seam:
        return replace(self, replacement=replacement)

    def in_use(self) -> bool:
        """Whether the host still is the one that was found: its modules were not imported anew."""
        module = self.owner if isinstance(self.owner, ModuleType) else sys.modules.get(self.owner.__module__)
        if module is None or sys.modules.get(module.__name__) is not module:
            return False
        found: Any = module
        if module is not self.owner:
            for name in self.owner.__qualname__.split("."):
                found = getattr(found, "__dict__", {}).get(name)
        return found is self.owner

    def current(self) -> Any:
        """What stands there now, without binding: the object that ``put`` can put back."""
        return vars(self.owner).get(self.name, _MISSING)

    def put(self, value: Any) -> None:
        """Set the attribute, or take it away where there was none."""
        if value is _MISSING:
            delattr(self.owner, self.name)
        else:
            setattr(self.owner, self.name, value)


@dataclass(frozen=True)
class Host:
    """One host library that can be accelerated.

    Attributes:
        name: what ``accelerate`` calls it.
        distribution: its name on the package index.
        package: the name to import.
        tried: the versions that the adapter was tried with.
        depth: how deep the adapter goes: ``"mask"``, ``"frame"`` or ``"protocol"``.
        replaces: what it replaces, one path each.
        cannot_reach: what stays the host's own, and slow where that matters.
        seams: checks the shape of the host, whose ``modules`` are imported, and makes the replacements from a twin of
            the codec; touches nothing and imports nothing. Raises HostError where the shape has moved.
        modules: what has to be imported before ``seams`` is called, by full name. A program that imports the first of
            them uses the host.
        parts: modules of the host that only some programs import, by full name, each with a function like ``seams``:
            they are replaced when the program imports them, and never imported for that.
    """

    name: str
    distribution: str
    package: str
    tried: str
    depth: str
    replaces: tuple[str, ...]
    cannot_reach: str
    seams: Callable[[ModuleType], Sequence[Seam]]
    modules: tuple[str, ...]
    parts: Mapping[str, Callable[[ModuleType], Sequence[Seam]]] = field(default_factory=dict)


@dataclass(frozen=True)
class HostStatus:
    """What is known about one host, for people and for ``fastws.status()``.

    Attributes:
        name: what ``accelerate`` calls it.
        distribution: its name on the package index.
        installed: the installed version, or None.
        tried: the versions that the adapter was tried with.
        accelerated: whether it is replaced now.
        depth: how deep, where it is accelerated: ``"mask"``, ``"frame"`` or ``"protocol"``; None otherwise.
        replaces: what the adapter replaces, one path each; where the host is accelerated, what of it is replaced in
            this process, or will be when the program imports it.
        left: the rest, which stays the host's own here: this twin of the codec is not faster, or the host uses
            something else in its place.
        cannot_reach: what stays the host's own.
        reason: why it is not accelerated, or None where it is.
        awaited: whether it will be accelerated when the program imports it.
    """

    name: str
    distribution: str
    installed: str | None
    tried: str
    accelerated: bool
    depth: str | None
    replaces: tuple[str, ...]
    left: tuple[str, ...]
    cannot_reach: str
    reason: str | None
    awaited: bool = False
