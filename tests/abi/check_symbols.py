"""What the built library exports and imports: python3 check_symbols.py SHARED STATIC

The shared library exports every FST_API function of the headers and nothing else. No object imports
what would end the host, print, or change the process's state. No object has a variable that can
change, but for those named below with their reason.
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import headers as reader  # noqa: E402

FORBIDDEN = re.compile(r"""^(?:
    _?exit|_Exit|quick_exit|abort|__assert(_fail|_perror_fail)?|raise|kill|atexit|
    v?printf|v?fprintf|puts|fputs|putchar|putc|perror|psignal|stdout|stderr|stdin|
    __v?f?printf_chk|syslog|err|errx|warn|warnx|
    signal|sigaction|sigprocmask|alarm|setitimer|
    setlocale|uselocale|setenv|unsetenv|putenv|chdir|fchdir|umask|
    fe(set|hold|clear|update|raise|enable|disable)\w*|
    rand|srand|random|srandom|drand48|srand48|strtok|strerror|localtime|gmtime|ctime|
    fork|vfork|system|popen|exec[lv]\w*|posix_spawn\w*|dlopen|
    mmap|GOMP_\w+|omp_\w+
    )$""", re.X)

# name: why it may change.
VARIABLES = {
    "error_text": "the text of each thread's last error (base/error.c)",
    "single_thread": "contexts that rely on OpenBLAS's process-wide thread count, and the count to "
                     "put back when the last of them goes (kernels/gemm_cblas.c)",
}


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def exported(shared):
    names = {}
    for line in output("nm", "-D", "--defined-only", shared).splitlines():
        address_kind_name = line.split()
        kind, name = address_kind_name[-2:]
        if kind != "A":  # the version's own name
            names[name.split("@")[0]] = kind
    return names


def main(arguments):
    shared, static = arguments
    problems = []
    declared, exports = set(reader.read().functions), exported(shared)
    for name in sorted(declared - set(exports)):
        problems.append(f"{name} is declared FST_API and not exported: has it a body, and does "
                        "lib/fourstage.map list it (python3 tools/update_map.py)?")
    for name in sorted(set(exports) - declared):
        problems.append(f"{name} is exported and no public header declares it")
    for name, kind in exports.items():
        if kind not in "Ti":
            problems.append(f"{name} is exported and no function (nm says {kind})")

    for line in output("nm", "-A", "-u", static).splitlines():
        member, name = line.rsplit(":", 1)[0], line.split()[-1].split("@")[0]
        if FORBIDDEN.match(name):
            problems.append(f"{Path(member).name} imports {name}")

    # Objects in sections that can be written while the program runs.
    member = ""
    for line in output("objdump", "-t", static).splitlines():
        if ":" in line and "file format" in line:
            member = line.split(":", 1)[0]
            continue
        fields = re.match(r"^[0-9a-f]+ .{7} (\S+)\t[0-9a-f]+ +(?:\.\w+ +)?(\S+)$", line)
        if not fields:
            continue
        section, name = fields.groups()
        writable = re.match(r"\.(t?data|t?bss)\b", section) or section == "*COM*"
        if not writable or section.startswith(".data.rel.ro") or name == section:
            continue
        if re.sub(r"\.\d+$", "", name) not in VARIABLES:
            problems.append(f"{Path(member).name}: {name} is a mutable variable ({section})")
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
