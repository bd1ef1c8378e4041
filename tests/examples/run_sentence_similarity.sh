#!/bin/sh
# Embeds, compares and trains on a small random encoder: sh run_sentence_similarity.sh WITH_PYTHON MAKER EXAMPLE
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
sh "$1" "$2" "$folder"
sh "$1" "$3" "$folder/encoder" --pairs "$folder/pairs.csv" --texts "$folder/texts.txt" --train 16 --rows 16 \
    --rate 0.001 --save "$folder/trained" >"$folder/log"
cat "$folder/log"
test -s "$folder/trained/model.safetensors"
awk '/^step.*loss/ { gsub(",", ""); if (!n++) first = $4; last = $4 } /^Spearman (before|after)/ { ++seen }
     END { exit !(n == 8 && last < first && seen == 2) }' "$folder/log"
