#!/bin/sh
# The loop by hand learns: sh run_custom_loop.sh PROGRAM
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
awk 'BEGIN { for (i = 0; i < 300; ++i) printf "line %d of a text that repeats itself\n", i % 7 }' \
    >"$folder/text.txt"
"$1" "$folder/text.txt" 60 >"$folder/log"
cat "$folder/log"
awk '/^step/ { if (!first) first = $4; last = $4 } END { exit !(first > 2 && last < first / 2) }' \
    "$folder/log"
