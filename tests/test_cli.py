"""``python -m fastws``: each command as a user starts it, in a process of its own."""

from __future__ import annotations

import importlib.metadata
import json
import os
import py_compile
import signal
import subprocess
import sys
import zipapp
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import fastws
from fastws.cli import figures, table
from fastws.hosts import host_status
from fastws.measure import QUICK, Case, Contender, Measurement, Timing, serving

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_HOME = str(Path(fastws.__file__).parent.parent)

# Rivals and comforts that an installation may lack.
_OPTIONAL = ("aiohttp", "matplotlib", "rich", "websocket", "websockets", "wsproto")


@dataclass(frozen=True)
class Ended:
    """What a process left behind."""

    status: int
    output: str
    errors: str


def python(*arguments: str, cwd: Path, stdin: str = "", **environment: str) -> Ended:
    """Run the interpreter of the tests, for which this fastws can be imported."""
    path = os.pathsep.join([_HOME, *filter(None, [os.environ.get("PYTHONPATH")])])
    ended = subprocess.run(  # noqa: S603 - this very interpreter
        [sys.executable, *arguments],
        cwd=cwd,
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", **environment},
        check=False,
        timeout=250,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def command(*arguments: str, cwd: Path, stdin: str = "", **environment: str) -> Ended:
    return python("-m", "fastws", *arguments, cwd=cwd, stdin=stdin, **environment)


def command_without(*missing: str, arguments: Sequence[str], cwd: Path) -> Ended:
    """Run a command where some libraries are not installed."""
    program = (
        f"import sys; sys.modules.update(dict.fromkeys({missing!r}));"
        f"from fastws.cli import main; sys.exit(main({list(arguments)!r}))"
    )
    return python("-c", program, cwd=cwd)


# run: as python would -------------------------------------------------------------------------------------------------

_SCRIPTS = {
    "argv": "import sys; print(sys.argv)",
    "path": "import sys; print(sys.path)",
    "globals": """
        hidden = ("__builtins__", "__loader__", "__spec__")
        print(list(globals()), type(__loader__).__name__, __builtins__)
        print({name: value for name, value in globals().items() if name not in hidden})
        """,
    "spec": "print(__spec__ and (__spec__.name, __spec__.origin), __package__, __file__)",
    "main": "import __main__; answer = 42; print(__main__.answer, __main__.__dict__ is globals())",
    "neighbour": "import neighbour; print(neighbour.__file__)",
    "stdin": "import sys; print(repr(sys.stdin.read()))",
    "input": "print(input('name? '))",
    "exit none": "import sys; sys.exit()",
    "exit zero": "raise SystemExit(0)",
    "exit seven": "import sys; sys.exit(7)",
    "exit true": "import sys; sys.exit(True)",
    "exit big": "import sys; sys.exit(257)",
    "exit negative": "import sys; sys.exit(-1)",
    "exit text": "import sys; sys.exit('it went wrong')",
    "exit object": "import sys; sys.exit(['it', 'went', 'wrong'])",
    "exit at once": "import os; print('gone', flush=True); os._exit(9)",
    "error": """
        def inner(value):
            return 1 / value

        def outer():
            inner(0)

        outer()
        """,
    "error from error": """
        try:
            {}["missing"]
        except KeyError as error:
            raise RuntimeError("not found") from error
        """,
    "error in handling": """
        try:
            {}["missing"]
        except KeyError:
            undefined
        """,
    "syntax error": "def broken(:\n    pass",
    "indentation error": "if True:\npass",
    "interrupted": "raise KeyboardInterrupt",
    "base exception": "class Stop(BaseException): pass\nraise Stop('now')",
    "error of an import": "import neighbour; neighbour.fail()",
    "own excepthook": """
        import sys, traceback

        def hook(kind, error, trace):
            print("hook", kind.__name__, error, [frame.name for frame in traceback.extract_tb(trace)])
            print([frame.name for frame in traceback.extract_tb(error.__traceback__)])
            print(sys.last_value is error, sys.last_traceback is trace)

        sys.excepthook = hook
        1 / 0
        """,
    "pickle": """
        import pickle
        class Thing:
            pass
        print(type(pickle.loads(pickle.dumps(Thing()))) is Thing, Thing.__module__)
        """,
    "after the last line": """
        import atexit, threading
        word = "still here"
        done = threading.Event()

        def late():
            done.wait()
            print("thread", word, __name__)

        threading.Thread(target=late).start()
        atexit.register(lambda: print("atexit", word))
        threading.Timer(0.05, done.set).start()
        """,
    "processes": """
        import multiprocessing, sys

        def double(value):
            return 2 * value

        if __name__ == "__main__":
            for method in multiprocessing.get_all_start_methods():
                with multiprocessing.get_context(method).Pool(1) as pool:
                    print(method, pool.map(double, [1, 2, 3]))
        """,
    "warning": "import warnings; warnings.warn('careful')",
    "annotations": "number: int = 1\nprint(sorted(__annotations__))",
    "future": "class A:\n    def f(self, other: B): pass",
    "encoding": "# -*- coding: latin-1 -*-\nprint('\xe9')",
    "dunder file": "from pathlib import Path; print(Path(__file__).is_absolute(), Path(__file__).exists())",
}

_NEIGHBOUR = "def fail():\n    raise OSError('neighbour')\n"


def _write(path: Path, source: str) -> None:
    lines = source.split("\n")
    if not lines[0] and lines[1:]:
        margin = len(lines[1]) - len(lines[1].lstrip())
        lines = [line[margin:] for line in lines[1:]]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="latin-1" if "latin-1" in lines[0] else "utf-8")


def _same(folder: Path, *program: str, options: Sequence[str] = (), stdin: str = "Ada\nGrace\n") -> Ended:
    """Run a program by python and by ``run``: nothing may differ. Returns what it left."""
    plain = python(*options, *program, cwd=folder, stdin=stdin)
    run = python(*options, "-m", "fastws", "run", *program, cwd=folder, stdin=stdin)
    assert run == plain
    return run


@pytest.mark.parametrize("name", _SCRIPTS)
def test_a_script_runs_as_python_runs_it(tmp_path: Path, name: str) -> None:
    _write(tmp_path / "folder" / "script.py", _SCRIPTS[name])
    _write(tmp_path / "folder" / "neighbour.py", _NEIGHBOUR)
    _same(tmp_path, "folder/script.py", "one", "--hosts", "-m", "--", "")


@pytest.mark.parametrize("name", _SCRIPTS)
def test_a_module_runs_as_python_runs_it(tmp_path: Path, name: str) -> None:
    _write(tmp_path / "script.py", _SCRIPTS[name])
    _write(tmp_path / "neighbour.py", _NEIGHBOUR)
    _same(tmp_path, "-m", "script", "one", "--verbose", "-h")


def test_the_matrix_meets_every_kind_of_end(tmp_path: Path) -> None:
    """The comparisons above would also pass if nothing ran."""
    ends = {}
    for name in ("argv", "exit seven", "exit text", "error", "interrupted"):
        _write(tmp_path / "script.py", _SCRIPTS[name])
        ends[name] = command("run", "script.py", "one", cwd=tmp_path)
    assert ends["argv"] == Ended(0, "['script.py', 'one']\n", "")
    assert ends["exit seven"] == Ended(7, "", "")
    assert ends["exit text"] == Ended(1, "", "it went wrong\n")
    assert ends["error"].status == 1
    assert ends["error"].errors.startswith("Traceback (most recent call last):\n")
    assert "ZeroDivisionError: division by zero" in ends["error"].errors
    assert "fastws" not in ends["error"].errors.replace(str(tmp_path), "")
    assert ends["interrupted"].status in (-signal.SIGINT, 1)


@pytest.mark.parametrize(
    "program", [["package"], ["package.module"], ["package.sub"], ["-h"], ["missing"], ["missing.x"]]
)
def test_a_package_runs_as_python_runs_it(tmp_path: Path, program: list[str]) -> None:
    for name in ("__init__", "__main__", "module"):
        _write(
            tmp_path / "package" / f"{name}.py",
            f"import sys; print({name!r}, __name__, __package__, sys.argv, sys.path[0])",
        )
    _write(tmp_path / "package" / "sub" / "__init__.py", "")
    _same(tmp_path, "-m", *program, "argument")


def test_m_may_be_glued_to_the_module(tmp_path: Path) -> None:
    _write(tmp_path / "script.py", _SCRIPTS["argv"])
    assert "script.py" in _same(tmp_path, "-mscript", "argument").output


_SHOW_MAIN = "import sys; print(sys.argv, sys.path, __name__, __file__, __package__, __spec__.name, globals().keys())"


@pytest.mark.parametrize("name", ["folder", "folder/", "./folder", "program.zip"])
def test_a_folder_and_a_zip_file_run_as_python_runs_them(tmp_path: Path, name: str) -> None:
    _write(tmp_path / "folder" / "__main__.py", _SHOW_MAIN)
    zipapp.create_archive(tmp_path / "folder", tmp_path / "program.zip")
    assert _same(tmp_path, name, "argument").status == 0


def test_an_error_in_a_folder_looks_as_in_python(tmp_path: Path) -> None:
    _write(tmp_path / "folder" / "__main__.py", _SCRIPTS["error"])
    assert _same(tmp_path, "folder").status == 1


def test_a_folder_without_main_is_refused_as_python_does(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert _same(tmp_path, "folder").status == 1


@pytest.mark.parametrize("name", ["missing.py", "folder/missing.py"])
def test_a_missing_script_is_refused_as_python_does(tmp_path: Path, name: str) -> None:
    assert _same(tmp_path, name).status == 2


def test_compiled_bytecode_runs(tmp_path: Path) -> None:
    _write(tmp_path / "script.py", _SCRIPTS["globals"])
    py_compile.compile(str(tmp_path / "script.py"), cfile=str(tmp_path / "compiled.pyc"))
    assert _same(tmp_path, "compiled.pyc").status == 0


@pytest.mark.parametrize("name", ["./folder/script.py", "folder/../folder/script.py", "link.py"])
def test_paths_are_written_as_python_writes_them(tmp_path: Path, name: str) -> None:
    _write(tmp_path / "folder" / "script.py", "import sys; print(__file__, sys.argv, sys.path)\n1 / 0")
    (tmp_path / "link.py").symlink_to(tmp_path / "folder" / "script.py")
    assert _same(tmp_path, name).status == 1


@pytest.mark.parametrize(
    "options",
    [
        ["-O"],
        ["-W", "error"],
        ["-X", "utf8"],
        ["-u"],
        ["-B", "-q"],
        *([["-P"]] if sys.version_info >= (3, 11) else []),
    ],
    ids=" ".join,
)
def test_options_of_the_interpreter_hold(tmp_path: Path, options: list[str]) -> None:
    source = (
        "import sys; print(sys.flags, sys.warnoptions, sys.path, __debug__)\nimport warnings; warnings.warn('careful')"
    )
    _write(tmp_path / "script.py", source)
    _same(tmp_path, "script.py", options=options)
    _write(tmp_path / "folder" / "__main__.py", source)
    _same(tmp_path, "folder", options=options)


@pytest.mark.parametrize("name", ["token", "random", "inspect", "argparse", "csv", "threading"])
@pytest.mark.parametrize("program", [["folder/script.py"], ["folder"]], ids=" ".join)
def test_modules_of_the_program_named_as_some_of_the_library(tmp_path: Path, name: str, program: list[str]) -> None:
    """The program finds its own, though the command has imported the library's."""
    source = f"import {name}; print({name}.mine, {name}.__file__)\nimport json; print(json.__file__)"
    _write(tmp_path / "folder" / f"{name}.py", "mine = True")
    _write(tmp_path / "folder" / "script.py", source)
    _write(tmp_path / "folder" / "__main__.py", source)
    assert _same(tmp_path, *program).status == 0


def test_a_module_named_as_what_a_late_report_needs(tmp_path: Path) -> None:
    _write(tmp_path / "folder" / "csv.py", "raise SystemExit('not for you')")
    _write(tmp_path / "folder" / "websocket.py", "moved = True")
    _write(tmp_path / "folder" / "script.py", "import websocket; print('ran')")
    ended = command("run", "folder/script.py", cwd=tmp_path)
    assert (ended.status, ended.output) == (0, "ran\n")
    assert "is not accelerated" in ended.errors


@pytest.mark.parametrize(
    "before",
    ["sys.stderr.close()", "sys.stderr = None", "sys.stderr = type('Mute', (), {'write': lambda *_: 1 / 0})()"],
)
def test_standard_error_that_cannot_be_written_to(tmp_path: Path, before: str) -> None:
    """What is told of a host that is imported then is no business of the program."""
    _write(tmp_path / "websocket.py", "moved = True")
    _write(tmp_path / "script.py", f"import sys; {before}\nimport websocket; print('ran')")
    plain, ended = python("script.py", cwd=tmp_path), command("run", "script.py", cwd=tmp_path)
    assert (ended.status, ended.output) == (plain.status, plain.output)
    assert plain.output == "ran\n"


def test_a_current_directory_that_is_gone(tmp_path: Path) -> None:
    _write(tmp_path / "script.py", "import sys; print(sys.argv, sys.path[0])")
    script = str(tmp_path / "script.py")
    runs = []
    for words in ([script], ["-m", "fastws", "run", script]):
        gone = tmp_path / "gone"
        gone.mkdir()
        leave = f"import os, sys; os.rmdir({str(gone)!r}); os.execv(sys.executable, [sys.executable, *{words!r}])"
        runs.append(python("-c", leave, cwd=gone))
    assert runs[0] == runs[1]
    assert runs[0].status == 0


@pytest.mark.parametrize("ending", ["", "raise SystemExit(0)", "1 / 0"])
def test_the_interpreter_may_go_on_asking(tmp_path: Path, ending: str) -> None:
    _write(tmp_path / "script.py", f"answer = 41\n{ending}")
    _same(tmp_path, "script.py", options=["-i"], stdin="print(answer + 1)\n")


def test_an_exception_hook_that_is_gone(tmp_path: Path) -> None:
    _write(tmp_path / "script.py", "import sys; del sys.excepthook\n1 / 0")
    ended = command("run", "script.py", cwd=tmp_path)
    assert ended.status == 1
    assert ended.errors.startswith("sys.excepthook is missing\n")
    assert "AttributeError" not in ended.errors


def test_a_program_that_imports_in_a_way_of_its_own_is_told(tmp_path: Path) -> None:
    _write(
        tmp_path / "script.py",
        """
        import sys
        from importlib.machinery import PathFinder

        class Finder:
            find_spec = staticmethod(lambda *arguments: PathFinder.find_spec(*arguments))

        sys.meta_path.insert(0, Finder)
        import websocket
        raise SystemExit(3)
        """,
    )
    ended = command("run", "script.py", cwd=tmp_path)
    assert ended.status == 3
    assert "websocket-client is not accelerated: the program imports it in a way of its own" in ended.errors


# run: accelerated -----------------------------------------------------------------------------------------------------

_ACCELERATED = """
    import sys
    import websocket
    registry = sys.modules.get("fastws.hosts")
    accelerated = [] if registry is None else [host.name for host in registry.host_status() if host.accelerated]
    """

_CLIENT = """
    import sys
    import websocket

    client = websocket.create_connection(sys.argv[1], timeout=60)
    client.send("echo")
    for message in ("", "hello", "h\\u00e9llo \\u4f60\\u597d \\U0001f600" * 1000):
        client.send(message)
        print(ascii(client.recv()))
    client.close()
    print("fastws" in sys.modules)
    """


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with serving() as address:
        yield address


def test_a_real_client_gets_the_same_messages(tmp_path: Path, url: str) -> None:
    _write(tmp_path / "client.py", _CLIENT)
    plain = python("client.py", url, cwd=tmp_path)
    run = command("run", "client.py", url, cwd=tmp_path)
    assert plain.errors == run.errors == ""
    assert plain.output.endswith("False\n")
    assert run.output == plain.output.replace("False\n", "True\n")
    assert "hello" in plain.output


@pytest.mark.parametrize("arguments", [[], ["--hosts", "websocket-client"], ["--hosts=websocket-client"], ["--"]])
def test_hosts_are_accelerated(tmp_path: Path, arguments: list[str]) -> None:
    _write(tmp_path / "script.py", _ACCELERATED + "print(accelerated)")
    assert command("run", *arguments, "script.py", cwd=tmp_path) == Ended(0, "['websocket-client']\n", "")


def test_verbose_tells_what_is_accelerated(tmp_path: Path) -> None:
    _write(tmp_path / "script.py", "import websocket; print('ran')")
    ended = command("run", "--verbose", "script.py", cwd=tmp_path)
    assert (ended.status, ended.output) == (0, "ran\n")
    assert f"websocket-client {importlib.metadata.version('websocket-client')} is accelerated" in ended.errors
    assert f"backend {fastws.backend_name()}" in ended.errors


def test_an_unknown_host_is_an_error(tmp_path: Path) -> None:
    _write(tmp_path / "script.py", "print('ran')")
    ended = command("run", "--hosts", "websocket-client,nobody", "script.py", cwd=tmp_path)
    assert (ended.status, ended.output) == (2, "")
    assert ended.errors.count("\n") == 1
    assert "unknown host 'nobody'" in ended.errors


def test_a_host_that_cannot_be_accelerated_is_an_error(tmp_path: Path) -> None:
    _write(tmp_path / "script.py", "print('ran')")
    ended = command_without("websocket", arguments=["run", "--hosts", "websocket-client", "script.py"], cwd=tmp_path)
    assert (ended.status, ended.output) == (2, "")
    assert ended.errors.count("\n") == 1
    assert "websocket-client" in ended.errors


def test_without_names_a_host_that_is_left_alone_is_told(tmp_path: Path) -> None:
    _write(tmp_path / "websocket.py", "moved = True")
    _write(tmp_path / "script.py", "import websocket; print('ran')")
    ended = command("run", "script.py", cwd=tmp_path)
    assert (ended.status, ended.output) == (0, "ran\n")
    assert "websocket-client" in ended.errors
    assert "is not accelerated" in ended.errors


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name a SCRIPT"),
        (["--verbose"], "name a SCRIPT"),
        (["-"], "name a SCRIPT"),
        (["--"], "name a SCRIPT"),
        (["-m"], "-m needs the name of a module"),
        (["--hosts"], "expected one argument"),
        (["--hosts", "a,,b", "script.py"], "names with commas between them"),
        (["--unknown", "script.py"], "unrecognized arguments: --unknown"),
        (["--verb", "script.py"], "unrecognized arguments: --verb"),
    ],
)
def test_a_wrong_command_line_is_refused(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    _write(tmp_path / "script.py", "print('ran')")
    ended = command("run", *arguments, cwd=tmp_path)
    assert (ended.status, ended.output) == (2, "")
    assert complaint in ended.errors


# run --compare --------------------------------------------------------------------------------------------------------


def test_compare_runs_both_and_tells_the_times(tmp_path: Path) -> None:
    _write(tmp_path / "script.py", _ACCELERATED + "print(accelerated, sys.argv, sys.stdin.read())")
    ended = command("run", "--compare", "--hosts", "websocket-client", "script.py", "--x", cwd=tmp_path, stdin="given")
    assert ended.status == 0
    assert ended.output == "[] ['script.py', '--x'] given\n['websocket-client'] ['script.py', '--x'] given\n"
    plain, accelerated, ratio = ended.errors.splitlines()
    assert "plain:" in plain
    assert "accelerated:" in accelerated
    assert "x as fast by the clock" in ratio


def test_compare_runs_a_module_and_keeps_options_of_the_interpreter(tmp_path: Path) -> None:
    _write(tmp_path / "script.py", "import sys; print(__name__, sys.flags.optimize, sys.warnoptions)")
    ended = python("-O", "-W", "ignore", "-m", "fastws", "run", "--compare", "-m", "script", cwd=tmp_path)
    assert (ended.status, ended.output) == (0, "__main__ 1 ['ignore']\n" * 2)


@pytest.mark.parametrize("glued", ["-mfastws", "-Omfastws"])
def test_compare_keeps_options_that_m_is_glued_to(tmp_path: Path, glued: str) -> None:
    _write(tmp_path / "script.py", "print(__debug__)")
    ended = python("-B", glued, "run", "--compare", "script.py", cwd=tmp_path)
    assert ended.output == f"{'O' not in glued}\n" * 2


def test_compare_reads_standard_input_from_a_file(tmp_path: Path) -> None:
    _write(tmp_path / "script.py", "import sys; print(sys.stdin.read())")
    _write(tmp_path / "given.txt", "from a file")
    program = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[1:], stdin=open('given.txt')))"
    ended = python("-c", program, sys.executable, "-m", "fastws", "run", "--compare", "script.py", cwd=tmp_path)
    assert ended.output == "from a file\n\n" * 2


def test_compare_reports_exit_statuses_that_differ(tmp_path: Path) -> None:
    _write(tmp_path / "script.py", _ACCELERATED + "sys.exit(5 if accelerated else 3)")
    ended = command("run", "--compare", "script.py", cwd=tmp_path)
    assert ended.status == 5
    assert "the exit statuses differ: 3 plain, 5 accelerated" in ended.errors


def test_compare_refuses_before_it_runs_anything(tmp_path: Path) -> None:
    _write(tmp_path / "script.py", "print('ran')")
    ended = command("run", "--compare", "--hosts", "nobody", "script.py", cwd=tmp_path)
    assert (ended.status, ended.output) == (2, "")


# status ---------------------------------------------------------------------------------------------------------------


def test_status_tells_what_runs(tmp_path: Path) -> None:
    ended = command("status", cwd=tmp_path)
    assert (ended.status, ended.errors) == (0, "")
    assert fastws.__version__ in ended.output
    assert fastws.backend_name() in ended.output
    assert fastws.kernel_name() in ended.output
    for host in host_status():
        assert host.name in ended.output


def test_status_as_json(tmp_path: Path) -> None:
    told = json.loads(command("status", "--json", cwd=tmp_path).output)
    assert told["version"] == fastws.__version__
    assert told["backend"] == fastws.backend_name()
    assert told["kernel"] == fastws.kernel_name()
    by_name = {host["name"]: host for host in told["hosts"]}
    assert set(by_name) == {host.name for host in host_status()}
    client = by_name["websocket-client"]
    assert client["accelerated"] is True
    assert client["depth"]
    assert client["reason"] is None


def test_status_says_why_the_native_twin_is_missing(tmp_path: Path) -> None:
    ended = command("status", cwd=tmp_path, FASTWS_NO_EXTENSIONS="1")
    assert "python (FASTWS_NO_EXTENSIONS is set)" in ended.output


def test_status_says_why_a_host_is_left_alone(tmp_path: Path) -> None:
    ended = command_without("websocket", arguments=["status"], cwd=tmp_path)
    assert ended.status == 0
    assert "no: websocket-client cannot be imported" in ended.output


# bench ----------------------------------------------------------------------------------------------------------------


def test_bench_prints_tables_writes_json_and_draws_a_chart(tmp_path: Path) -> None:
    ended = command("bench", "--quick", "--json", "bench.json", "--plot", "bench.png", cwd=tmp_path)
    assert ended.status == 0, ended.errors
    titles = (
        "Time in the library",
        "Over a socket: CPU time",
        "websocket-client: messages received",
        "over a socket, CPU",
    )
    for title in (*titles, "MessageDecoder", "encode_message"):
        assert title in ended.output
    assert "Measured with fastws" in ended.output
    assert "measuring websocket-client" in ended.errors
    _check_document(json.loads((tmp_path / "bench.json").read_text()))
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG\r\n")


def _check_document(told: dict[str, Any]) -> None:
    assert set(told) == {"machine", "plan", "notes", "measurements"}
    assert told["machine"]["backend"] == fastws.backend_name()
    assert told["plan"]["rounds"] == QUICK.rounds
    assert told["measurements"]
    for measured in told["measurements"]:
        assert {"group", "case", "unit", "count", "contenders"} == set(measured)
        subject, *rivals = measured["contenders"]
        assert 0 < subject["best"] <= subject["median"]
        for rival in rivals:
            assert rival["ratio"] == pytest.approx(rival["best"] / subject["best"])


def test_bench_of_kernels(tmp_path: Path) -> None:
    ended = command("bench", "kernels", "--quick", "--markdown", "--plot", "kernels.svg", cwd=tmp_path)
    assert ended.status == 0, ended.errors
    assert "| payload | pure Python | " in ended.output
    assert "B/s |" in ended.output
    assert (tmp_path / "kernels.svg").read_text().startswith("<?xml")


def test_bench_without_what_is_not_installed(tmp_path: Path) -> None:
    """No comforts, no rivals, no hosts: the columns stay empty, and say why."""
    ended = command_without(*_OPTIONAL, arguments=["bench", "--quick", "--json", "bench.json"], cwd=tmp_path)
    assert ended.status == 0, ended.errors
    assert "websocket-client is not measured" in ended.output
    for library in ("aiohttp", "websockets", "wsproto"):
        assert f"{library} is not installed" in ended.output
    assert json.loads((tmp_path / "bench.json").read_text())["measurements"]


def test_noise_is_measured_in_the_library_only(tmp_path: Path) -> None:
    arguments = ["hosts", "--hosts", "slack-sdk", "--quick", "--noise", "--rounds", "3", "--json", "noise.json"]
    ended = command("bench", *arguments, cwd=tmp_path)
    assert ended.status == 0, ended.errors
    measured = json.loads((tmp_path / "noise.json").read_text())["measurements"]
    assert measured
    for each in measured:
        assert "time in the library" in each["group"]
        assert [one["name"] for one in each["contenders"]] == ["plain again", "plain"]
        assert len(each["contenders"][0]["samples"]) == 3


def test_a_chart_without_matplotlib_names_the_extra(tmp_path: Path) -> None:
    ended = command_without("matplotlib", arguments=["bench", "--quick", "--plot", "bench.png"], cwd=tmp_path)
    assert (ended.status, ended.output) == (2, "")
    assert "fastws-codec[plot]" in ended.errors


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["everything"], "invalid choice"),
        (["--plot", "bench.unknown"], "'bench.unknown'"),
        (["hosts", "--hosts", "nobody"], "unknown host 'nobody'"),
        (["codec", "--hosts", "websocket-client"], "--hosts does not go with codec"),
        (["--json", "nowhere/bench.json"], "there is no folder 'nowhere'"),
        (["--plot", "nowhere/bench.png"], "there is no folder 'nowhere'"),
        (["memory", "--plot", "x.png"], "--plot does not go with memory"),
        (["memory", "--hosts", "websockets"], "--hosts does not go with memory"),
        (["endpoints", "--hosts", "websockets"], "--hosts does not go with endpoints"),
        (["transports", "--subscribers", "0"], "a whole number from 1 on is expected, not '0'"),
        (["transports", "--subscribers", "many"], "a whole number from 1 on is expected, not 'many'"),
        (["transports", "--hosts", "websockets"], "--hosts does not go with transports"),
        (["transports", "--plot", "x.unknown"], "'x.unknown'"),
        (["codec", "--subscribers", "2"], "--subscribers goes with transports only"),
        (["codec", "--noise"], "--noise goes with hosts only"),
        (["--library"], "--library goes with hosts only"),
        (["hosts", "--rounds", "0"], "a whole number from 1 on is expected, not '0'"),
    ],
)
def test_bench_refuses_before_it_measures(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    ended = command("bench", *arguments, cwd=tmp_path)
    assert (ended.status, ended.output) == (2, "")
    assert complaint in ended.errors


# The command itself ---------------------------------------------------------------------------------------------------


def test_the_version(tmp_path: Path) -> None:
    assert command("--version", cwd=tmp_path) == Ended(0, f"fastws {fastws.__version__}\n", "")


@pytest.mark.parametrize("arguments", [["--help"], ["status", "--help"], ["run", "--help"], ["bench", "--help"]])
def test_help_goes_to_standard_output(tmp_path: Path, arguments: list[str]) -> None:
    ended = command(*arguments, cwd=tmp_path)
    assert (ended.status, ended.errors) == (0, "")
    assert "usage: python -m fastws" in ended.output


def test_no_command_and_an_unknown_one_are_refused(tmp_path: Path) -> None:
    assert command(cwd=tmp_path).status == 2
    ended = command("fly", cwd=tmp_path)
    assert ended.status == 2
    assert "unknown command 'fly'; commands: status, run, bench" in ended.errors


# Tables ---------------------------------------------------------------------------------------------------------------


class _Terminal:
    """Standard output that is a terminal."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return True


_TABLE = table.Table(
    "Title", ["name", "time"], [["a [b]", "1.00 µs"], ["c|d", "12.0 µs"]], numbers=True, notes=["Note."]
)


def test_a_table_in_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    table.show(_TABLE)
    expected = "Title\n\nname      time\n-----  -------\na [b]  1.00 µs\nc|d    12.0 µs\nNote.\n"
    assert capsys.readouterr().out == expected


@pytest.mark.parametrize("rich", [True, False])
def test_a_table_on_a_terminal(monkeypatch: pytest.MonkeyPatch, rich: bool) -> None:
    terminal = _Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    if not rich:
        monkeypatch.setitem(sys.modules, "rich", None)
    table.show(_TABLE)
    assert ("─" in terminal.text) == rich
    for cell in ("Title", "a [b]", "c|d", "12.0 µs", "Note."):
        assert cell in terminal.text


def test_a_table_in_markdown() -> None:
    expected = "### Title\n\n| name | time |\n| --- | ---: |\n| a [b] | 1.00 µs |\n| c\\|d | 12.0 µs |\n\nNote.\n"
    assert table.markdown(_TABLE) == expected


def _measured(show: str, *rivals: Contender) -> Measurement:
    contenders = (Contender("fastws"), *rivals)
    timings = {one.name: Timing((1e-6 * number,)) for number, one in enumerate(contenders, 1) if not one.missing}
    missing = {one.name: one.missing for one in rivals if one.missing}
    return Measurement(Case("group", "1 KiB", contenders, "byte", 1024, show=show), timings, missing)  # type: ignore[arg-type]


def test_a_table_of_two() -> None:
    (shown,) = figures.tables([_measured("ratio", Contender("other", goal=3.0))], goals=True)
    assert shown.headers == ["payload", "other", "fastws", "ratio", "goal", "speed"]
    assert shown.rows == [["1 KiB", "2.00 µs ±0%", "1.00 µs ±0%", "2.00x", "3.00x", "1.02 GB/s"]]


def test_a_table_of_several() -> None:
    rivals = [Contender("other", goal=3.0), Contender("absent", missing="it is not installed"), Contender("slow")]
    (shown,) = figures.tables([_measured("ratio", *rivals)])
    assert shown.headers == ["payload", "fastws", "speed", "other", "absent", "slow"]
    assert shown.rows == [["1 KiB", "1.00 µs ±0%", "1.02 GB/s", "2.00 µs ±0% (2.00x)", "-", "4.00 µs ±0% (4.00x)"]]
    assert shown.notes == ["absent: it is not installed"]


def test_a_table_of_speeds() -> None:
    (shown,) = figures.tables([_measured("rate", Contender("other"), Contender("absent", missing="no"))])
    assert shown.headers == ["payload", "fastws", "other", "absent"]
    assert shown.rows == [["1 KiB", "1.02 GB/s", "0.51 GB/s", "-"]]


@pytest.mark.parametrize(
    ("seconds", "told"), [(2.0, "2.00 s"), (0.0123, "12.3 ms"), (4.56e-4, "456 µs"), (7.89e-8, "78.9 ns")]
)
def test_times_for_people(seconds: float, told: str) -> None:
    assert figures.duration(seconds) == told
