#!/bin/sh
# The game that learns while it is played: sh run_frame_loop.sh PROGRAM
set -eu

log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$1" 30000 >"$log"
cat "$log"
awk '/frames/ { if (!n++) first = $8; last = $8 } / at most/ { ++told }
     END { exit !(n == 10 && told == 1 && last > first + 15) }' "$log"
