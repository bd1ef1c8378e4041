#!/bin/sh
# The program that learns from images without labels, over files made here: sh run_simclr.sh PROGRAM
set -eu

program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
. "$(dirname -- "$0")/striped_images.sh"

fail() {
    echo "$1" >&2
    cat "$folder"/*.log >&2
    exit 1
}

striped_images "$folder" train 300
striped_images "$folder" t10k 60
learn() { # LOG OPTION...
    log=$folder/$1.log
    shift
    "$program" --data "$folder" --epochs 3 --batch 50 --width 8 --blocks 1 --stages 2 --share 10 --tune 100 \
        "$@" >"$log" 2>&1
}
learn two --threads 2 || fail 'it failed'
for line in 'nearest neighbours' 'linear layer' 'finetuned on' 'the same network'; do
    accuracy=$(sed -n "s/^$line.* \([0-9.]*\) %\$/\1/p" "$folder/two.log")
    awk -v accuracy="$accuracy" 'BEGIN { exit !(accuracy >= 90) }' || fail "$line: $accuracy %"
done

# The same figures on another number of threads.
learn one --threads 1 || fail 'one thread: it failed'
cut='s/; [0-9]* s$//'
[ "$(sed "$cut" "$folder/two.log")" = "$(sed "$cut" "$folder/one.log")" ] || fail 'threads differ'

if "$program" --drawings "$folder/missing" >"$folder/missing.log" 2>&1; then
    fail 'a missing folder: accepted'
fi
grep -q missing "$folder/missing.log" || fail 'a missing folder: not named'
