"""The public headers keep the rules that make them easy to bind and hard to break.

    python3 check_headers.py [--compile] [FOLDER]

Each parses with tools/headers.py (so no enum, bool, long, bit-field, variadic or inline function, and
no condition around a declaration), names follow the scheme, nothing goes by value but scalars, every
declaration says @since. With --compile each header also compiles alone as C99 and as C++17.
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import headers as reader  # noqa: E402


def check(headers):
    problems = []

    def known(base):
        return (base in reader.SCALARS or base in headers.opaque or base in headers.structs or
                base in headers.aliases or base in headers.callbacks)

    def check_type(kind, where, what):
        if kind.function:
            check_signature(kind.function, where, what)
            return
        if not known(kind.base):
            problems.append(f"{where}: {what} has the unknown type {kind.base}")
        by_value = kind.pointers == 0 and not kind.array
        if by_value and kind.base in headers.structs:
            problems.append(f"{where}: {what} passes struct {kind.base} by value")
        if by_value and kind.base in headers.opaque:
            problems.append(f"{where}: {what} passes the opaque {kind.base} by value")
        if by_value and kind.base == "char":
            problems.append(f"{where}: {what} is a char, whose sign depends on the platform")
        for length in kind.array:
            if not length[0].isdigit() and length not in headers.constants:
                problems.append(f"{where}: {what} has the unknown length {length}")

    def check_signature(function, where, what):
        if function.result.base != "void" or function.result.pointers:
            check_type(function.result, where, f"the result of {what}")
        for parameter in function.parameters:
            check_type(parameter.type, where, f"{what}'s {parameter.name}")
            if parameter.type.base == "void" and not parameter.type.pointers:
                problems.append(f"{where}: {what}'s {parameter.name} is void")

    def check_doc(item, where, name):
        if not item:
            problems.append(f"{where}: {name} has no documentation comment")
        elif not re.search(r"@since \d+\.\d+", item):
            problems.append(f"{where}: {name} does not say @since")

    for group in (headers.opaque, headers.aliases, headers.structs, headers.functions,
                  headers.constants, headers.callbacks):
        for name, item in group.items():
            check_doc(item.doc, item.where, name)
            prefix = "FST_" if group is headers.constants else "fst_"
            if not name.startswith(prefix) or name.startswith("fst__"):
                problems.append(f"{item.where}: {name} does not begin with {prefix}")
    for name, struct in headers.structs.items():
        for member in struct.fields:
            check_type(member.type, struct.where, f"{name}.{member.name}")
            if not member.doc:
                problems.append(f"{struct.where}: {name}.{member.name} has no comment")
        sized = struct.fields[0].name == "struct_size"
        if sized and struct.fields[0].type.base != "size_t":
            problems.append(f"{struct.where}: {name}.struct_size is not a size_t")
        if (name.endswith("_options") or name.endswith("_config")):
            if not sized:
                problems.append(f"{struct.where}: {name} does not begin with size_t struct_size")
            if name + "_init" not in headers.functions:
                problems.append(f"{struct.where}: {name} has no {name}_init")
    for name, function in headers.functions.items():
        check_signature(function, function.where, name)
        documented = reader.parameter_docs(function.doc)
        names = [parameter.name for parameter in function.parameters]
        for parameter in function.parameters:
            if not parameter.doc:
                problems.append(f"{function.where}: {name} does not document "
                                f"@param {parameter.name}")
        for parameter in documented:
            if parameter not in names:
                problems.append(f"{function.where}: {name} documents {parameter}, "
                                "which is no parameter of it")
    for name in headers.opaque:
        if name + "_destroy" not in headers.functions and any(
                p.type.base == name and p.type.pointers == 2
                for f in headers.functions.values() for p in f.parameters):
            problems.append(f"{headers.opaque[name].where}: {name} can be made but has no "
                            f"{name}_destroy")
    return problems


def compile_alone(path, include):
    """Problems of one header on its own, in both languages."""
    problems = []
    warnings = ["-Wall", "-Wextra", "-pedantic", "-Werror", "-fsyntax-only"]
    c_compiler = shlex.split(os.environ.get("CC", "cc"))
    cpp_compiler = shlex.split(os.environ.get("CXX", "c++"))
    runs = [(c_compiler + ["-std=c99", "-xc", "-Wstrict-prototypes"], "C99"),
            (cpp_compiler + ["-std=c++17", "-xc++"], "C++17")]
    if path.suffix == ".hpp":
        runs = runs[1:]
    for command, language in runs:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "alone.c"
            # Twice: the guard must hold.
            source.write_text(f'#include "fourstage/{path.name}"\n' * 2 + "typedef int alone;\n")
            run = subprocess.run(command + warnings + ["-I", str(include), str(source)],
                                 capture_output=True, text=True)
            if run.returncode:
                problems.append(f"{path.name} as {language}:\n{run.stderr}")
    return problems


def main(arguments):
    compiling = "--compile" in arguments
    folders = [a for a in arguments if not a.startswith("--")]
    folder = Path(folders[0]) if folders else ROOT / "include" / "fourstage"
    try:
        problems = check(reader.read(folder))
    except reader.HeaderError as error:
        problems = [str(error)]
    if compiling:
        for path in sorted(folder.glob("*.h")) + sorted(folder.glob("*.hpp")):
            problems += compile_alone(path, folder.parent)
        umbrella = folder / "fourstage.h"
        if umbrella.exists():
            text = umbrella.read_text()
            for path in sorted(folder.glob("*.h")):
                if path != umbrella and f'"fourstage/{path.name}"' not in text:
                    problems.append(f"fourstage.h does not include {path.name}")
    wrapper = folder / "fourstage.hpp"
    if wrapper.exists() and not problems:
        text, headers = wrapper.read_text(), reader.read(folder)
        for name in headers.opaque:
            if name + "_destroy" in headers.functions and f"{name}_destroy(" not in text:
                problems.append(f"fourstage.hpp does not wrap {name}")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
