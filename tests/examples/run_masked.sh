#!/bin/sh
# The program that pretrains an encoder, from text to a model directory:
#
#   sh run_masked.sh PROGRAM
set -eu

program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "$1" >&2
    cat "$folder"/*.log >&2
    exit 1
}

# Sentences in which what is missing can be told from the rest, in two scripts.
awk 'BEGIN {
    split("red green blue old new small", colours); split("house river stone bird 书 山", things)
    for (i = 0; i < 600; ++i)
        printf "the %s %s sees the %s %s。\n", colours[i % 6 + 1], things[i % 6 + 1],
               colours[i % 6 + 1], things[i % 6 + 1]
}' >"$folder/text.txt"

run() { # NAME OPTION...
    name=$1
    shift
    "$program" --text "$folder/text.txt" --layers 2 --heads 2 --width 32 --context 48 --batch 8 \
        --vocabulary 90 --threads 2 --output "$folder/$name" "$@" >"$folder/$name.log" 2>&1 ||
        fail "$name: failed"
    for file in config.json model.safetensors tokenizer.json; do
        [ -s "$folder/$name/$file" ] || fail "$name: no $file"
    done
    grep -q 'MASK' "$folder/$name.log" || fail "$name: no gaps"
}
perplexity() { # NAME WHEN
    sed -n "s/^$2 .*perplexity \([0-9.]*\),.*/\1/p" "$folder/$1.log"
}

run single --steps 150
awk -v before="$(perplexity single before)" -v after="$(perplexity single after)" \
    'BEGIN { exit !(before > 0 && after > 0 && after < before / 8) }' ||
    fail "perplexity went from $(perplexity single before) to $(perplexity single after)"
run words --steps 20 --whole-words
cmp -s "$folder/single/model.safetensors" "$folder/words/model.safetensors" && fail 'the same model'

# Mistakes are answered, not crashed on.
if "$program" --output "$folder/none" >"$folder/usage.log" 2>&1; then
    fail 'no text: accepted'
fi
