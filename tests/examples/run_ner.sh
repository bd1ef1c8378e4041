#!/bin/sh
# The program that finds names, trained from scratch on sentences where they follow from the words:
#
#   sh run_ner.sh PROGRAM
set -eu

program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "$1" >&2
    cat "$folder"/*.log >&2
    exit 1
}

awk -v train="$folder/train.conll" -v held="$folder/held.conll" 'BEGIN {
    split("ann bob eva tom", people); split("rome oslo paris york", towns); split("sees likes knows", verbs)
    for (i = 0; i < 120; ++i) {
        printf "%s\tB-PER\n%s\tI-PER\n%s\tO\nnew\tB-LOC\n%s\tI-LOC\n.\tO\n\n", people[i % 4 + 1],
               people[i * 3 % 4 + 1], verbs[i % 3 + 1], towns[i * 7 % 4 + 1] > (i < 100 ? train : held)
    }
}'

tagger() { # LOG OPTION...
    log=$folder/$1.log
    shift
    "$program" --train "$folder/train.conll" --validation "$folder/held.conll" --threads 2 "$@" >"$log" 2>&1
}

tagger scratch --layers 1 --heads 2 --width 32 --vocabulary 80 --length 16 --batch 8 --steps 60 \
    --learning-rate 5e-3 --output "$folder/model" --tag 'eva bob knows new oslo .' || fail 'from scratch: failed'
for file in config.json model.safetensors tokenizer.json; do
    [ -s "$folder/model/$file" ] || fail "no $file"
done
grep -q BertForTokenClassification "$folder/model/config.json" || fail 'the model is of another class'
grep -q '"0": *"O"' "$folder/model/config.json" || fail 'the first tag is not O'
[ "$(grep -c '^  all  ' "$folder/scratch.log")" = 2 ] || fail 'not counted both ways'
awk '$1 == "all" { ++rows; if ($4 < 0.9) low = 1 } END { exit !(rows == 2 && !low) }' "$folder/scratch.log" ||
    fail 'names that follow from the words were not found'
tab=$(printf '\t')
grep -q "^eva${tab}B-PER\$" "$folder/scratch.log" || fail 'eva is no person'
grep -q "^oslo${tab}I-LOC\$" "$folder/scratch.log" || fail 'oslo is no place'

# Mistakes are answered, not crashed on.
if tagger usage; then
    fail 'neither model nor layers: accepted'
fi
printf 'x\tB-NEW\n' >"$folder/held.conll"
if tagger unknown --layers 1 --heads 1 --width 16 --steps 1; then
    fail 'a tag that training has not: accepted'
fi
grep -q 'line 1: the tag "B-NEW"' "$folder/unknown.log" || fail 'the unknown tag: not named'
