"""Packaging: the names that are exported, equal signatures, and imports with the extension, without it, and broken.

Imports are tried in interpreters of their own, some of them from a copy of the package that is missing something.
"""

from __future__ import annotations

import importlib.machinery
import inspect
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import fastws
from fastws import Role, _pure

if TYPE_CHECKING:
    from types import ModuleType

_HOME = Path(fastws.__file__).parent
_TESTS = Path(__file__).parent
_SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]

_FUNCTIONS = (
    *("parse_header", "encode_header", "mask", "mask_inplace", "is_utf8", "decode_text", "encode_text"),
    *("parse_frame", "parse_messages"),
    *("encode_frame", "encode_message", "new_key"),
)
_KERNEL_FUNCTIONS = ("kernel_name", "available_kernels")
_METHODS = {
    "Utf8Validator": ("feed", "reset"),
    "FrameDecoder": ("feed",),
    "MessageDecoder": ("feed",),
    "MessageParser": ("parse", "deliver"),
}
_VALUES = ("FrameHeader", "Frame", "Message", "Ping", "Pong", "Close")
_CODEC = (*_FUNCTIONS, *_METHODS, *_VALUES)


# Names and signatures -------------------------------------------------------------------------------------------------


def _own_names(module: ModuleType) -> set[str]:
    """Public names that a twin defines itself."""
    names = {name for name in dir(module) if not name.startswith("_")}
    own = {name: getattr(getattr(module, name), "__module__", "") for name in names}
    return {name for name, origin in own.items() if (origin or "").startswith(module.__name__)}


def test_twins_define_the_same_names(codec: ModuleType) -> None:
    assert _own_names(codec) == {*_CODEC, *_KERNEL_FUNCTIONS}


def test_package_exports_the_codec() -> None:
    shared = {"CloseCode", "Opcode", "ProtocolError", "Role", "SizeError", "Utf8Error"}
    shared |= {"Connection", "DeflateError", "Fragment", "HandshakeError", "State", "StateError"}
    assert {*_CODEC, *shared, "backend_name", "kernel_name", "__version__"} <= set(fastws.__all__)
    assert len(fastws.__all__) == len(set(fastws.__all__))
    for name in fastws.__all__:
        assert getattr(fastws, name) is not None


def test_package_uses_one_twin() -> None:
    origins = {getattr(fastws, name).__module__.split(".")[1] for name in _CODEC}
    assert origins == {"_pure" if fastws.backend_name() == "python" else "_native"}


def test_unknown_name() -> None:
    with pytest.raises(AttributeError, match="no attribute 'unknown'"):
        fastws.unknown  # type: ignore[attr-defined] # noqa: B018


def test_package_is_typed() -> None:
    assert (_HOME / "py.typed").is_file()


def _parameters(function: Any) -> list[tuple[str, Any, Any]]:
    """Name, kind and default of each parameter; the native twin has no annotations."""
    return [(each.name, each.kind, each.default) for each in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", [*_FUNCTIONS, *_KERNEL_FUNCTIONS])
def test_signatures_of_functions(twin: ModuleType, name: str) -> None:
    assert _parameters(getattr(twin, name)) == _parameters(getattr(_pure, name))


# Constructors of extension types tell no signature: these arguments are tried instead.
_CONSTRUCTORS: dict[str, dict[str, Any]] = {
    "Utf8Validator": {},
    "FrameDecoder": {
        "role": Role.CLIENT,
        "max_frame_size": 5,
        "rsv1": True,
        "rsv2": True,
        "rsv3": True,
        "minimal_length": False,
    },
    "MessageDecoder": {
        "role": Role.SERVER,
        "max_message_size": 5,
        "max_fragments": 2,
        "max_frame_size": 4,
        "text_as": "bytes",
        "minimal_length": False,
        "rsv1": True,
        "streaming": True,
    },
    "MessageParser": {
        "record": tuple,
        "text": 1,
        "binary": 2,
        "more": (3,),
        "role": None,
        "max_frame_size": 5,
        "minimal_length": False,
        "overhead": 4,
    },
    "FrameHeader": {
        "fin": True,
        "rsv1": False,
        "rsv2": False,
        "rsv3": True,
        "opcode": 1,
        "key": None,
        "length": 5,
        "size": 2,
    },
    "Frame": {"opcode": 1, "payload": b"x", "fin": True, "rsv1": False, "rsv2": True, "rsv3": False},
    "Message": {"data": "x", "opcode": 1},
    "Ping": {"data": b"x"},
    "Pong": {"data": b"x"},
    "Close": {"code": 1000, "reason": "x"},
}


def _make(twin: ModuleType, name: str) -> Any:
    return getattr(twin, name)(**_CONSTRUCTORS[name])


@pytest.mark.parametrize(("name", "method"), [(name, each) for name, methods in _METHODS.items() for each in methods])
def test_signatures_of_methods(twin: ModuleType, name: str, method: str) -> None:
    ours, theirs = (getattr(_make(codec, name), method) for codec in (_pure, twin))
    assert _parameters(theirs) == _parameters(ours)


@pytest.mark.parametrize("name", list(_CONSTRUCTORS))
def test_signatures_of_constructors(codec: ModuleType, name: str) -> None:
    """All of the pure twin's parameters by name; those that need not be named by place; no others."""
    kind, arguments = getattr(codec, name), _CONSTRUCTORS[name]
    parameters = inspect.signature(getattr(_pure, name)).parameters
    assert list(parameters) == list(arguments)
    assert type(kind(**arguments)) is kind
    by_place = [each for each, parameter in parameters.items() if parameter.kind is not parameter.KEYWORD_ONLY]
    by_name = {each: arguments[each] for each in arguments if each not in by_place}
    assert type(kind(*[arguments[each] for each in by_place], **by_name)) is kind
    required = {each for each, parameter in parameters.items() if parameter.default is parameter.empty}
    assert type(kind(**{each: arguments[each] for each in required})) is kind
    for each in required:
        with pytest.raises(TypeError):
            kind(**{other: arguments[other] for other in arguments if other != each})
    with pytest.raises(TypeError):
        kind(**arguments, unknown=1)
    with pytest.raises(TypeError):
        kind(*arguments.values(), 1)


@pytest.mark.parametrize("name", list(_METHODS) + list(_VALUES))
def test_public_attributes(twin: ModuleType, name: str) -> None:
    ours, theirs = ({each for each in dir(_make(codec, name)) if not each.startswith("_")} for codec in (_pure, twin))
    assert theirs == ours


@pytest.mark.parametrize("name", [*_CODEC, *_KERNEL_FUNCTIONS])
def test_docstrings_begin_alike(twin: ModuleType, name: str) -> None:
    """The native twin's are the first sentence of those of the pure one."""
    ours, theirs = (inspect.getdoc(getattr(codec, name)) for codec in (_pure, twin))
    assert ours
    assert theirs
    assert ours.startswith(theirs.removesuffix("."))


# Kernels --------------------------------------------------------------------------------------------------------------


def test_kernels(codec: ModuleType) -> None:
    if codec is _pure:
        assert (codec.available_kernels(), codec.kernel_name()) == ((), "none")
        return
    kernels = codec.available_kernels()
    assert kernels[0] == "scalar"
    assert len(set(kernels)) == len(kernels)
    assert codec.kernel_name() in kernels
    select = codec._select_kernel  # noqa: SLF001 - an entry made for this suite
    before = codec.kernel_name()
    with pytest.raises(ValueError, match=f"^kernel 'nonsense' is not one of: {', '.join(kernels)}$"):
        select("nonsense")
    assert codec.kernel_name() == before
    assert select(before) == before


# Imports --------------------------------------------------------------------------------------------------------------

_SAY = """
from fastws.backend import backend_name, kernel_name, why_not_native
print(backend_name(), kernel_name(), why_not_native())
"""


_PURE_ONLY = {"FASTWS_NO_EXTENSIONS": "1"}

# What a sub-interpreter says, whose interface has had several names.
_SAY_IN_SUB_INTERPRETER = f"""
import fastws
try:
    import _interpreters as interpreters
    run = interpreters.exec
except ModuleNotFoundError:
    import _xxsubinterpreters as interpreters
    run = interpreters.run_string
failure = run(interpreters.create(), {_SAY!r})
assert failure is None, failure
"""


# Where installed packages are, in the order of `sys.path`.
_LIBRARIES = list(dict.fromkeys([sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]))


def _python(
    *arguments: str,
    cwd: Path,
    home: Path = _HOME.parent,
    behind: tuple[Path, ...] = (),
    settings: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run an interpreter that finds ``fastws`` in ``home``, with only those settings of fastws that are given.

    On the path come ``home``, the folders ``behind`` it, and what is installed.

    Without `site` (``-S``): an editable install's own importer would find what ``home`` does not have.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("FASTWS_", "PYTEST_"))}
    environment |= {
        "PYTHONPATH": os.pathsep.join([*map(str, (home, *behind)), *_LIBRARIES]),
        "PYTHONDONTWRITEBYTECODE": "1",
        **(settings or {}),
    }
    return subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-S", *arguments],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder with a copy of the package that has no native twin."""
    shutil.copytree(_HOME, tmp_path / "bare" / "fastws", ignore=shutil.ignore_patterns("_native*", "__pycache__"))
    return tmp_path / "bare"


def test_import_of_each_kind(codec: ModuleType, tmp_path: Path) -> None:
    kernel = codec.kernel_name()
    if codec is _pure:
        done = _python("-c", _SAY, cwd=tmp_path, settings={**_PURE_ONLY, "FASTWS_KERNEL": "ignored"})
        assert done.stdout == "python none FASTWS_NO_EXTENSIONS is set\n", done.stderr
    else:
        done = _python("-c", _SAY, cwd=tmp_path, settings={"FASTWS_KERNEL": kernel, "FASTWS_NO_EXTENSIONS": "0"})
        assert done.stdout == f"native {kernel} None\n", done.stderr


def test_best_kernel_unless_told(twin: ModuleType, tmp_path: Path) -> None:
    if twin is _pure:
        expected, settings = "python none FASTWS_NO_EXTENSIONS is set\n", _PURE_ONLY
    else:
        expected, settings = f"native {twin.available_kernels()[-1]} None\n", {"FASTWS_KERNEL": ""}
    assert _python("-c", _SAY, cwd=tmp_path, settings=settings).stdout == expected


def test_unknown_kernel_is_refused(twin: ModuleType, tmp_path: Path) -> None:
    """With the names that could be meant; the pure twin has no kernels and does not look."""
    choice = _PURE_ONLY if twin is _pure else {}
    done = _python("-c", _SAY, cwd=tmp_path, settings={"FASTWS_KERNEL": "nonsense", **choice})
    if twin is _pure:
        assert done.stdout.startswith("python none")
        return
    assert done.returncode == 1
    names = ", ".join(twin.available_kernels())
    assert done.stderr.endswith(f"ValueError: FASTWS_KERNEL='nonsense' is not one of: {names}\n")


def test_a_sub_interpreter_runs_the_pure_twin(tmp_path: Path) -> None:
    done = _python("-c", _SAY_IN_SUB_INTERPRETER, cwd=tmp_path)
    if fastws.backend_name() == "native":
        assert done.stdout == "python none a sub-interpreter cannot load it\n", done.stderr
    else:
        assert done.stdout == "python none this installation was built without it\n", done.stderr


def test_without_the_native_twin(bare: Path) -> None:
    done = _python("-c", _SAY, home=bare, cwd=bare)
    assert done.stdout == "python none this installation was built without it\n", done.stderr


@pytest.mark.parametrize("content", [b"", b"not a library", b"\x7fELF" + bytes(100)], ids=["empty", "text", "torn"])
def test_a_broken_build_is_heard(bare: Path, content: bytes) -> None:
    (bare / "fastws" / f"_native{_SUFFIX}").write_bytes(content)
    done = _python("-c", _SAY, home=bare, cwd=bare)
    assert done.returncode == 1
    assert done.stdout == ""
    assert "ImportError" in done.stderr
    assert "_native" in done.stderr
    done = _python("-c", _SAY, home=bare, cwd=bare, settings=_PURE_ONLY)
    assert done.stdout == "python none FASTWS_NO_EXTENSIONS is set\n", done.stderr


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("import a_module_that_is_missing", "ModuleNotFoundError: No module named 'a_module_that_is_missing'"),
        ("from fastws.errors import missing_name", "ImportError: cannot import name 'missing_name'"),
        ("raise OSError('out of order')", "OSError: out of order"),
    ],
)
def test_a_native_twin_that_fails_is_heard(bare: Path, source: str, error: str) -> None:
    """Only a module that is not there is forgiven, not one that does not find what it needs."""
    (bare / "fastws" / "_native.py").write_text(source)
    done = _python("-c", _SAY, home=bare, cwd=bare)
    assert done.returncode == 1
    assert error in done.stderr


def test_import_loads_and_patches_nothing_else(codec: ModuleType, tmp_path: Path) -> None:
    """No host library, no event loop and no table drawer is loaded with the codec."""
    choice = _PURE_ONLY if codec is _pure else {}
    script = "import sys, fastws; print(sorted(name.partition('.')[0] for name in sys.modules))"
    loaded = set(eval(_python("-c", script, cwd=tmp_path, settings=choice).stdout))  # noqa: S307 - a list that we printed
    assert "fastws" in loaded
    assert not loaded & {
        "aiohttp",
        "asyncio",
        "h11",
        "rich",
        "socket",
        "ssl",
        "websocket",
        "websockets",
        "wsaccel",
        "wsproto",
    }


# This suite itself ----------------------------------------------------------------------------------------------------


def _suite(home: Path, settings: dict[str, str], *behind: Path) -> subprocess.CompletedProcess[str]:
    """Run one small test of this suite, verbosely, on the package in ``home``."""
    options = ("-p", "no:cacheprovider", "-v", f"--rootdir={_TESTS}", "-o", "addopts=", "-k", "structural_matching")
    test = str(_TESTS / "test_values.py")
    return _python("-m", "pytest", *options, test, home=home, behind=behind, cwd=home, settings=settings)


def test_suite_fails_without_the_native_twin(bare: Path, tmp_path: Path) -> None:
    """And it says what hides an installed build: the folder that it was started in, which comes first on the path."""
    built = tmp_path / "built" / "fastws"
    built.mkdir(parents=True)
    (built / f"_native{_SUFFIX}").write_bytes(b"")
    done = _suite(bare, {}, built.parent)
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"fastws was imported from {bare / 'fastws'}, which holds no native twin" in done.stderr
    assert f"The build in {built} is shadowed by it" in done.stderr
    assert "FASTWS_NO_EXTENSIONS=1" in done.stderr
    assert "passed" not in done.stdout


def test_suite_fails_with_a_broken_build(bare: Path) -> None:
    (bare / "fastws" / f"_native{_SUFFIX}").write_bytes(b"not a library")
    done = _suite(bare, {})
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ImportError" in done.stderr
    assert "passed" not in done.stdout


def test_suite_without_extensions_says_so(bare: Path) -> None:
    done = _suite(bare, _PURE_ONLY)
    assert done.returncode == pytest.ExitCode.OK, done.stdout
    assert f"from {bare / 'fastws'}" in done.stdout
    assert "tested: pure (FASTWS_NO_EXTENSIONS is set: the native twin is not tested)" in done.stdout
    assert "[pure]" in done.stdout
    assert "[native-" not in done.stdout
