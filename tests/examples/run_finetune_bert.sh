#!/bin/sh
# Finetunes a tiny random encoder on sentences whose class is one word of theirs:
#
#   sh run_finetune_bert.sh PROGRAM TINY_ENCODER
set -eu

program=$1
tiny_encoder=$2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "$1" >&2
    cat "$folder"/*.log >&2
    exit 1
}

awk 'BEGIN {
    split("film play book song", things); split("good bad dull", words)
    for (i = 0; i < 360; ++i)
        printf "this %s number %d was %s I thought\t%s\n", things[i % 4 + 1], i, words[i % 3 + 1],
               words[i % 3 + 1]
}' >"$folder/data.tsv"
cut -f 1 "$folder/data.tsv" >"$folder/texts.txt"
"$tiny_encoder" "$folder/texts.txt" "$folder/encoder" >"$folder/encoder.log" 2>&1 || fail 'no encoder'

finetune() { # LOG OPTION...
    log=$folder/$1.log
    shift
    "$program" --model "$folder/encoder" --data "$folder/data.tsv" --threads 2 --rate 2e-3 \
        --length 24 "$@" >"$log" 2>&1
}

finetune first --output "$folder/model" --epochs 8 || fail 'failed'
awk '/accuracy/ { sub(/.*accuracy /, ""); accuracy = $1 + 0 } END { exit !(accuracy > 0.9) }' \
    "$folder/first.log" || fail 'the classes were not learnt'
for file in config.json model.safetensors tokenizer.json; do
    [ -s "$folder/model/$file" ] || fail "no $file"
done
grep -q BertForSequenceClassification "$folder/model/config.json" || fail 'another class'
grep -q '"1": "dull"' "$folder/model/config.json" || fail 'no labels'

# The classifier that was saved, alone, on texts of its own.
head -n 30 "$folder/data.tsv" >"$folder/held_out.tsv"
"$program" --model "$folder/model" --data "$folder/data.tsv" --held-out "$folder/held_out.tsv" \
    --output "$folder/again" --epochs 1 --frozen --threads 2 >"$folder/second.log" 2>&1 ||
    fail 'the saved classifier: failed'
grep -q '^bad (in truth bad)' "$folder/second.log" || fail 'the saved classifier tells something else'

# Mistakes are answered, not crashed on.
if finetune usage; then
    fail 'no output: accepted'
fi
echo 'no class' >>"$folder/data.tsv"
if finetune line --output "$folder/none"; then
    fail 'a line without a class: accepted'
fi
grep -q 'line 361' "$folder/line.log" || fail 'a line without a class: not named'
