#!/bin/sh
# PPO by hand learns, and its first ratios are exactly 1: sh run_custom_ppo.sh PROGRAM [ARGUMENT...]
set -eu

log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$@" 31 >"$log"
cat "$log"
awk '/^iteration/ { if ($9 != 1) wrong = 1; if (!n++) first = $4; last = $4 }
     END { exit !(n > 1 && !wrong && first < 0.1 && last > 0.4) }' "$log"
