"""Sizes and offsets of every public struct against tests/abi/layout.txt.

    python3 check_layout.py            compare
    python3 check_layout.py --update   rewrite the table
    python3 check_layout.py --ctypes   compare the Python module's structs instead

A C program made from the parsed headers prints the table. A struct that has been released grows at
its end only, so a line that is in the table never changes.
"""
import importlib.util
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import headers as reader  # noqa: E402

TABLE = Path(__file__).with_name("layout.txt")
SKIP = 77


def program(headers):
    lines = ["#include <stdio.h>"]
    lines += [f'#include "fourstage/{path.name}"' for path in headers.files]
    lines += ["int main(void)", "{"]
    for name, struct in sorted(headers.structs.items()):
        lines.append(f'    printf("{name} %zu\\n", sizeof({name}));')
        for member in struct.fields:
            lines.append(f'    printf("{name}.{member.name} %zu %zu\\n", offsetof({name}, '
                         f'{member.name}), sizeof((({name} *)0)->{member.name}));')
    return "\n".join(lines + ["    return 0;", "}", ""])


def compiled(headers):
    """{name: numbers} as the C compiler has them."""
    with tempfile.TemporaryDirectory() as folder:
        source, binary = Path(folder) / "layout.c", Path(folder) / "layout"
        source.write_text(program(headers))
        compiler = shlex.split(os.environ.get("CC", "cc"))
        subprocess.run(compiler + ["-I", str(ROOT / "include"), str(source), "-o", str(binary)],
                       check=True)
        return subprocess.run([str(binary)], check=True, capture_output=True, text=True).stdout


def in_ctypes(headers):
    """The same table, from examples/python/fourstage.py."""
    import ctypes
    path = ROOT / "examples" / "python" / "fourstage.py"
    spec = importlib.util.spec_from_file_location("fourstage", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    lines = []
    for name, struct in sorted(headers.structs.items()):
        mirrored = module.STRUCTS[name]
        lines.append(f"{name} {ctypes.sizeof(mirrored)}")
        names = [each[0] for each in mirrored._fields_]
        if names != [member.name for member in struct.fields]:
            lines.append(f"{name} has the fields {names}")
            continue
        for member in struct.fields:
            entry = getattr(mirrored, member.name)
            lines.append(f"{name}.{member.name} {entry.offset} {entry.size}")
    return "\n".join(lines) + "\n"


def main(arguments):
    headers = reader.read()
    found = compiled(headers)
    if "--update" in arguments:
        TABLE.write_text(found)
        return 0
    if "--ctypes" in arguments:
        try:
            import numpy  # noqa: F401  # which the module needs
        except ImportError:
            print(f"{sys.executable} has no numpy")
            return SKIP
        expected, found, what = found, in_ctypes(headers), "examples/python/fourstage.py"
    else:
        expected, what = TABLE.read_text(), "the headers"
    table = dict(line.split(" ", 1) for line in expected.splitlines())
    now = dict(line.split(" ", 1) for line in found.splitlines())
    problems = [f"{name}: expected {table.get(name, 'absent')}, found {now.get(name, 'absent')} "
                f"in {what}"
                for name in list(table) + [n for n in now if n not in table]
                if table.get(name) != now.get(name)]
    for problem in problems:
        print(problem)
    if problems and "--ctypes" not in arguments:
        print("If this is meant (fields appended, or never released): "
              "python3 tests/abi/check_layout.py --update")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
