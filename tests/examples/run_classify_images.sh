#!/bin/sh
# The program that classifies images, over IDX files made here: sh run_classify_images.sh PROGRAM
set -eu

program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "$1" >&2
    cat "$folder"/*.log >&2
    exit 1
}

. "$(dirname -- "$0")/striped_images.sh"
striped_images "$folder" train 300
striped_images "$folder" t10k 60

"$program" --data "$folder" --epochs 4 --batch 20 --width 8 --blocks 1 --stages 2 --threads 2 \
    >"$folder/train.log" 2>&1 || fail 'it failed'
accuracy=$(sed -n 's/^result .*accuracy \([0-9.]*\) %.*/\1/p' "$folder/train.log")
awk -v accuracy="$accuracy" 'BEGIN { exit !(accuracy >= 90) }' || fail "accuracy $accuracy %"
[ "$(grep -c '^epoch' "$folder/train.log")" -eq 4 ] || fail 'no line for each epoch'

# The same bits on another number of threads.
"$program" --data "$folder" --epochs 4 --batch 20 --width 8 --blocks 1 --stages 2 --threads 1 \
    >"$folder/one.log" 2>&1 || fail 'one thread: it failed'
cut='s/; [0-9]* images.*//'
[ "$(sed "$cut" "$folder/train.log")" = "$(sed "$cut" "$folder/one.log")" ] || fail 'threads differ'

gzip "$folder/t10k-images-idx3-ubyte"
head -c 100 "$folder/train-labels-idx1-ubyte" >"$folder/short"
mv "$folder/short" "$folder/train-labels-idx1-ubyte"
if "$program" --data "$folder" >"$folder/short.log" 2>&1; then
    fail 'labels cut off: accepted'
fi
grep -q 'train-labels.*byte 100' "$folder/short.log" || fail 'labels cut off: not named'
