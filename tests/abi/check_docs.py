"""The code in README.md and the handbook works: python3 check_docs.py BUILDDIR

Every C block that holds a main is compiled as it is, with warnings as errors, and run on a small
text; every Python block that imports fourstage is run likewise. Links to files must lead to
files.
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT = "The quick brown fox jumps over the lazy dog. Pack my box with five dozen liquor jugs.\n" * 200


def blocks(text, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.M | re.S)


def run(command, problems, what, **options):
    result = subprocess.run(command, capture_output=True, text=True, **options)
    if result.returncode:
        problems.append(f"{what}:\n{result.stdout}{result.stderr}")
    return result.returncode == 0


def check_c(block, what, library, folder, problems):
    source, binary = folder / "program.c", folder / "program"
    source.write_text(block)
    compiler = shlex.split(os.environ.get("CC", "cc"))
    if run(compiler + ["-std=c11", "-Wall", "-Wextra", "-Werror", "-I", str(ROOT / "include"),
                       str(source), "-o", str(binary), str(library),
                       f"-Wl,-rpath,{library.parent}"], problems, what):
        run([str(binary), "text.txt"], problems, what, cwd=folder)


def main(build):
    library = Path(build).resolve() / "lib" / "libfourstage.so"
    problems = []
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md",
                 *sorted((ROOT / "docs").rglob("*.md"))]
    environment = {**os.environ, "FOURSTAGE_LIBRARY": str(library),
                   "PYTHONPATH": str(ROOT / "examples" / "python")}
    try:
        import numpy  # noqa: F401
        with_python = True
    except ImportError:
        print(f"{sys.executable} has no numpy: the Python blocks are left out")
        with_python = False
    for path in documents:
        text = path.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text):
            if "://" not in target and not (path.parent / target).exists():
                problems.append(f"{path.name}: the link to {target} leads nowhere")
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "text.txt").write_text(TEXT)
            for number, block in enumerate(blocks(text, "c"), 1):
                if "int main(" in block:
                    check_c(block, f"{path.name}, C block {number}", library, folder, problems)
            for number, block in enumerate(blocks(text, "python"), 1):
                if with_python and "import fourstage" in block:
                    run([sys.executable, "-c", block], problems,
                        f"{path.name}, Python block {number}", cwd=folder, env=environment)
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
