"""Runs a Python program as the interpreter would: its argv, path, ``__main__`` module, exit status and tracebacks.

``runpy.run_path`` will not do: it takes the module away when the program's last line is done, while threads, atexit
functions and pickle still need it.
"""

from __future__ import annotations

import builtins
import io
import os
import pkgutil
import sys
from importlib.machinery import PathFinder, SourceFileLoader, SourcelessFileLoader
from importlib.util import MAGIC_NUMBER
from pathlib import Path

# What the interpreter itself calls for `-m`, for a directory and for a zip file.
from runpy import _run_module_as_main  # type: ignore[attr-defined]
from types import CodeType, ModuleType, TracebackType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Program"]


class Program:
    """A program that is about to run.

    Args:
        arguments: SCRIPT or ``-m`` MODULE, then the program's own arguments. A script may be a directory or a zip file
            with a ``__main__.py``.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._is_module = arguments[0] == "-m"
        self._name = arguments[1] if self._is_module else arguments[0]
        # The interpreter calls a module "-m" until it is found.
        self._argv = ["-m", *arguments[2:]] if self._is_module else list(arguments)
        self._is_container = not self._is_module and pkgutil.get_importer(_absolute(self._name)) is not None

    def set_path(self) -> None:
        """Let imports search where the program's would: beside the script, or in the current directory for ``-m``."""
        if self._is_module:
            return
        if self._is_container:
            _set_path0(_absolute(self._name), force=True)
        else:
            _set_path0(str(Path(self._name).resolve().parent))

    def run(self) -> None:
        """Run it in this process, as ``__main__``; what it raises goes on, with a traceback that starts in it."""
        _forget_shadowed("fastws" if self._is_module else "runpy")
        sys.argv[:] = self._argv
        main = _new_main()
        try:
            if self._is_module:
                _run_module_as_main(self._name)
            elif self._is_container:
                _run_module_as_main("__main__", alter_argv=False)
            else:
                _run_script(self._name, main)
        except SystemExit:
            if sys.flags.inspect:
                _hide_frames()  # the interpreter goes on, and reports it
            raise
        except BaseException:
            _hide_frames()
            raise


def _absolute(path: str) -> str:
    """The path as the interpreter makes it absolute: without tidying it."""
    if os.name == "nt":
        return os.path.abspath(path)  # noqa: PTH100
    # The current directory may be gone, which is nothing to an absolute path.
    return path if path.startswith("/") else os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118


def _set_path0(entry: str, *, force: bool = False) -> None:
    """Replace what ``python -m fastws`` put first; in safe-path mode nothing was put there, nor should be."""
    if not (sys.flags.isolated or getattr(sys.flags, "safe_path", False)):
        sys.path[: _is_current_directory(sys.path[0])] = [entry]
    elif force:
        sys.path.insert(0, entry)


def _is_current_directory(entry: str) -> bool:
    """Whether an entry is what ``-m`` puts first; where the current directory is gone it puts nothing."""
    try:
        return entry == os.getcwd()  # noqa: PTH109
    except OSError:
        return False


def _forget_shadowed(first: str) -> None:
    """Forget modules that the program would find in its own folder, had they not been imported here before.

    A program may have a ``token.py``, say. Those that the interpreter itself has imported by then, it does not find.

    Args:
        first: the module that the interpreter imported first of those that it would not have, had it run the program.
    """
    names, folder = list(sys.modules), sys.path[0] if sys.path else ""
    for name in names[names.index(first) if first in names else len(names) :]:
        if "." in name or name == "fastws" or name == "__main__":
            continue
        spec = PathFinder.find_spec(name, [folder])
        if spec is not None and spec.origin is not None and spec.origin != _origin(sys.modules[name]):
            for each in names:
                if each == name or each.startswith(f"{name}."):
                    sys.modules.pop(each, None)


def _origin(module: ModuleType) -> str | None:
    """The file that a module was loaded from."""
    return getattr(getattr(module, "__spec__", None), "origin", None)


def _new_main() -> ModuleType:
    """An empty ``__main__`` module, as the interpreter starts with."""
    main = ModuleType("__main__")
    if sys.version_info < (3, 14):
        vars(main)["__annotations__"] = {}
    vars(main)["__builtins__"] = builtins
    sys.modules["__main__"] = main
    return main


def _run_script(name: str, main: ModuleType) -> None:
    path = _absolute(name)
    try:
        with io.open_code(path) as file:
            source = file.read()
    except OSError as error:
        program = sys.orig_argv[0]
        print(f"{program}: can't open file {path!r}: [Errno {error.errno}] {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None
    code = _compile(source, path, main)
    main.__file__ = path
    vars(main)["__cached__"] = None
    exec(code, vars(main))  # noqa: S102 - running a program is what this is for


def _compile(source: bytes, path: str, main: ModuleType) -> CodeType:
    if not source.startswith(MAGIC_NUMBER):
        main.__loader__ = SourceFileLoader("__main__", path)
        return compile(source, path, "exec", dont_inherit=True)
    loader = main.__loader__ = SourcelessFileLoader("__main__", path)
    code = loader.get_code("__main__")
    assert code is not None
    return code


def _hide_frames() -> None:
    """Let the interpreter report the error that is being handled without the frames that led to the program.

    The interpreter calls ``sys.excepthook``, which may be the program's own, with the traceback of the whole process;
    a hook in front of it cuts that traceback.
    """
    hook = getattr(sys, "excepthook", None)
    if hook is None:
        return  # the interpreter says so, and reports the error itself

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Any:
        sys.excepthook = hook
        shown = _without_ours(trace)
        sys.last_value, sys.last_traceback = error.with_traceback(shown), shown
        return hook(kind, error, shown)

    sys.excepthook = report


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    """What follows the frames of this file."""
    rest = trace
    while rest is not None:
        if rest.tb_frame.f_code.co_filename == __file__:
            trace = rest.tb_next
        rest = rest.tb_next
    return trace
