"""Writes the part of the misuse test that follows from the headers: python3 make_misuse.py OUTPUT.c DEPENDENCIES.d

Every function that returns a status, called with NULL and 0 for everything; every init function with
sizes that cannot be; every destroy function with NULL.
"""
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import headers as reader  # noqa: E402


def main(output, dependencies):
    headers = reader.read()
    lines = ["/* Written by make_misuse.py. */", '#include "misuse.h"', ""]
    lines += [f'#include "fourstage/{path.name}"' for path in headers.files] + [""]
    calls, inits, destroys = [], [], []
    for name, function in sorted(headers.functions.items()):
        zeros = ", ".join("0" for _ in function.parameters)
        if name.endswith("_destroy"):
            destroys.append(name)
        elif name.endswith("_init") and name[:-5] in headers.structs:
            inits.append(name)
        elif function.result.base == "fst_status" and function.parameters:
            lines += [f"static fst_status nothing_{name}(void)", "{",
                      f"    return {name}({zeros});", "}", ""]
            calls.append(name)
    for name in inits:
        lines += [f"static fst_status size_{name}(void *options, size_t size)", "{",
                  f"    return {name}(options, size);", "}", ""]
    lines += ["const misuse_call misuse_calls[] = {"]
    lines += [f'    {{"{name}", nothing_{name}}},' for name in calls]
    lines += ["};", "const int misuse_call_count = sizeof misuse_calls / sizeof *misuse_calls;", "",
              "const misuse_init misuse_inits[] = {"]
    lines += [f'    {{"{name}", size_{name}, sizeof({name[:-5]})}},' for name in inits]
    lines += ["};", "const int misuse_init_count = sizeof misuse_inits / sizeof *misuse_inits;", "",
              "void misuse_destroy_nothing(void)", "{"]
    lines += [f"    {name}(NULL);" for name in destroys] + ["}", ""]
    Path(output).write_text("\n".join(lines))
    Path(dependencies).write_text(f"{output}: " + " ".join(map(str, headers.files)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
