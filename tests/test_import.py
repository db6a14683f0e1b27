"""Importing populace is light: it starts, writes and prints nothing."""

from __future__ import annotations

import subprocess
import sys


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_import_loads_nothing_heavy_and_prints_nothing() -> None:
    heavy = "{'numba', 'polars', 'sklearn', 'scipy', 'networkx', 'onnxruntime', 'rich', 'click'}"
    code = f"import sys, populace; print(sorted({heavy} & set(sys.modules)))"
    assert run(code) == "[]\n"
    kernel = "from populace import World, Population, Cast, Choice, Rule, Minds, Fallback"
    assert run(f"import sys; {kernel}; print('numba' in sys.modules)") == "False\n"


def test_import_opens_no_file_for_writing_and_no_socket_or_thread() -> None:
    code = """
import sys
bad = []
def watch(event, args):
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        bad.append(args[0])
    if event.startswith(("socket.", "subprocess.", "_thread.start_new", "os.mkdir")):
        bad.append(event)
sys.dont_write_bytecode = True
sys.addaudithook(watch)
import populace
print(bad)
"""
    assert run(code) == "[]\n"


def test_every_public_name_exists() -> None:
    code = "import populace; print([n for n in populace.__all__ if getattr(populace, n) is None])"
    assert run(code) == "[]\n"
