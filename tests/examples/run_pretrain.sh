#!/bin/sh
# The program that pretrains, from text to a model directory, stopped and resumed on the way:
#
#   sh run_pretrain.sh PROGRAM
set -eu

program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "$1" >&2
    cat "$folder"/*.log >&2
    exit 1
}

# Some kilobytes that a small model can learn: sentences from a few words, in two scripts.
awk 'BEGIN {
    split("red green blue old new small", colours); split("house river stone bird 书 山", things)
    for (i = 0; i < 400; ++i)
        printf "the %s %s sees the %s %s。\n", colours[i % 6 + 1], things[i % 5 + 1],
               colours[(i + 2) % 6 + 1], things[(i * 5) % 6 + 1]
}' >"$folder/text.txt"

train() { # LOG OPTION...
    log=$folder/$1.log
    shift
    "$program" --text "$folder/text.txt" --layers 2 --heads 2 --width 32 --context 32 --batch 4 \
        --vocabulary 300 --threads 2 "$@" >"$log" 2>&1
}

train bpe --output "$folder/bpe" --steps 60 || fail 'byte pairs: failed'
for file in config.json model.safetensors tokenizer.json; do
    [ -s "$folder/bpe/$file" ] || fail "no $file"
done
perplexity() {
    sed -n "s/^$1 .*perplexity \([0-9.]*\),.*/\1/p" "$folder/bpe.log"
}
awk -v before="$(perplexity before)" -v after="$(perplexity after)" \
    'BEGIN { exit !(before > 0 && after > 0 && after < before / 4) }' ||
    fail "perplexity went from $(perplexity before) to $(perplexity after)"
grep -q 'step 60/60 .*tokens/s' "$folder/bpe.log" || fail 'no line for the last step'

train char --output "$folder/char" --steps 10 --tokenizer char || fail 'characters: failed'

# Interrupted, then resumed: the same model as without. Fast machines may be done before the signal.
tiny() { # LOG DIR OPTION...
    log=$folder/$1.log output=$folder/$2
    shift 2
    $limit "$program" --text "$folder/text.txt" --layers 1 --heads 1 --width 16 --context 16 --batch 2 \
        --vocabulary 280 --threads 1 --steps 2000 --output "$output" "$@" >"$log" 2>&1
}
limit=''
tiny straight straight || fail 'straight: failed'
limit='timeout -s INT 0.7'
if ! tiny stopped stopped; then
    ls "$folder"/stopped/checkpoints/*.safetensors >/dev/null 2>&1 || fail 'stopped: nothing saved'
    limit=''
    tiny resumed stopped --resume || fail 'resumed: failed'
fi
cmp "$folder/straight/model.safetensors" "$folder/stopped/model.safetensors" ||
    fail 'the resumed model is another'

# Mistakes are answered, not crashed on.
if "$program" --output "$folder/none" >"$folder/usage.log" 2>&1; then
    fail 'no text: accepted'
fi
if "$program" --text "$folder/missing" --output "$folder/none" >"$folder/missing.log" 2>&1; then
    fail 'a missing text: accepted'
fi
grep -q missing "$folder/missing.log" || fail 'a missing text: not named'
