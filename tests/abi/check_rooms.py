"""The rooms of lib/ include only what they may: python3 check_rooms.py [LIB]

The ladder is base, tensor, kernels, nn, model, stages, api. The other rooms stand on its first three
rungs; each entry below lists the rooms that a room's files may include.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

GROUND = {"base", "tensor", "kernels"}
ALLOWED = {
    "base": set(),
    "tensor": {"base"},
    "kernels": {"base", "tensor"},
    "nn": GROUND,
    "formats": {"base", "tensor"},
    "tokenizer": GROUND | {"formats"},
    "data": GROUND | {"formats", "tokenizer"},
    "optim": GROUND,
    "model": GROUND | {"nn", "formats", "tokenizer", "optim"},  # it binds optimizers to parameters
    "env": GROUND,
    "stages": GROUND | {"nn", "formats", "tokenizer", "data", "optim", "model", "env"},
}
ALLOWED["api"] = set(ALLOWED) | {"stages"}
# Rooms whose files take pointers, sizes and a pool, and know no handle.
WITHOUT_CONTEXT = {"tensor", "kernels", "nn", "formats"}
# Folders of stages/ that are no stage: what several stages share.
SHARED = {"entities", "language", "objectives", "scoring"}
CBLAS_FILE = "kernels/gemm_cblas.c"
INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^">]+)[">]', re.M)


def problems_of(lib, path):
    name = path.relative_to(lib).as_posix()
    parts = name.split("/")
    room = parts[0]
    stage = parts[1] if room == "stages" and len(parts) > 2 else None
    text = path.read_text(encoding="utf-8")
    for match in INCLUDE.finditer(text):
        bracket, target = match.groups()
        line = text.count("\n", 0, match.start()) + 1
        where = f"lib/{name}:{line}"
        if bracket == "<" and re.search(r"cblas|openblas", target) and name != CBLAS_FILE:
            yield f"{where}: only {CBLAS_FILE} includes {target}"
        if bracket == "<":
            continue
        target_parts = target.split("/")
        target_room = target_parts[0]
        if target_room == "fourstage":
            continue
        if target_room not in ALLOWED:
            if (path.parent / target).exists():
                yield f"{where}: write \"{room}/…\", relative to lib/, not \"{target}\""
            else:
                yield f"{where}: {target} is in no room"
            continue
        if target_room != room and target_room not in ALLOWED[room]:
            yield f"{where}: {room}/ must not include {target_room}/ ({target})"
        if target == "base/context.h" and room in WITHOUT_CONTEXT:
            yield f"{where}: {room}/ never sees an fst_context"
        if stage and target_room == "stages" and len(target_parts) > 2 and \
                target_parts[1] not in SHARED | {stage}:
            yield f"{where}: stages/{stage}/ must not include stages/{target_parts[1]}/"


def main(arguments):
    lib = Path(arguments[0]) if arguments else ROOT / "lib"
    found, files = [], 0
    for path in sorted(lib.rglob("*")):
        if path.suffix in (".c", ".h", ".inc") and path.parent != lib:
            files += 1
            if path.relative_to(lib).parts[0] not in ALLOWED:
                found.append(f"lib/{path.relative_to(lib)}: in no room")
                continue
            found.extend(problems_of(lib, path))
    for problem in found:
        print(problem)
    if not files:
        print(f"no source files under {lib}")
    return 1 if found or not files else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
