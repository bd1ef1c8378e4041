#!/bin/sh
# Runs a parity test with the interpreter that tests/python-env.sh made; skips where there is none.
if [ -z "$FOURSTAGE_PYTHON" ]; then
  echo "skipped: FOURSTAGE_PYTHON names no interpreter with torch and transformers (tests/python-env.sh makes one)"
  exit 77
fi
exec "$FOURSTAGE_PYTHON" "$@"
