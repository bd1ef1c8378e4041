"""Writes lib/fourstage.map, the linker's list of exported symbols, from the public headers.

    python3 tools/update_map.py           rewrite it
    python3 tools/update_map.py --check   say what differs, and fail if anything does
"""
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import headers as reader  # noqa: E402

MAP = reader.ROOT / "lib" / "fourstage.map"


def render(version, names):
    lines = [f"{version} {{", "  global:"]
    lines += [f"    {name};" for name in sorted(names)]
    return "\n".join(lines + ["  local:", "    *;", "};", ""])


def main(arguments):
    declared = set(reader.read().functions)
    text = MAP.read_text()
    version = re.match(r"\w+", text).group()
    expected = render(version, declared)
    if "--check" not in arguments:
        MAP.write_text(expected)
        return 0
    listed = re.findall(r"^\s+([\w*?]+);", text.split("local:")[0], re.M)
    for name in sorted(declared - set(listed)):
        print(f"{name} is declared in a public header and missing in lib/fourstage.map")
    for name in sorted(set(listed) - declared):
        print(f"{name} is listed in lib/fourstage.map and declared in no public header")
    if text != expected:
        print("lib/fourstage.map differs from the headers: run python3 tools/update_map.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
