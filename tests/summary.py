"""Adds up meson's test logs: python3 tests/summary.py LOG.json...

Prints 'N passed, N failed, N skipped' alone on the last line; fails if a test failed or none ran.
"""
import json
import os
import sys

PASSED = {"OK", "EXPECTEDFAIL"}
SKIPPED = {"SKIP", "IGNORED"}


def main(paths):
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    for path in paths:
        if not os.path.exists(path):  # no test of the chosen suites is defined in that build
            continue
        with open(path, encoding="utf-8") as log:
            for line in log:
                if not line.strip():
                    continue
                test = json.loads(line)
                result = test["result"]
                kind = ("passed" if result in PASSED else
                        "skipped" if result in SKIPPED else "failed")
                counts[kind] += 1
                if kind == "failed":
                    print(f"failed: {test['name']} ({result}), see {path}")
                elif kind == "skipped":
                    reason = (test.get("stdout") or test.get("stderr") or "").strip().splitlines()
                    print(f"skipped: {test['name']}: {reason[-1] if reason else 'no reason given'}")
    ran = counts["passed"] + counts["failed"]
    if not ran:
        print("no test ran", file=sys.stderr)
    sys.stderr.flush()
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))
    return 1 if counts["failed"] or not ran else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
