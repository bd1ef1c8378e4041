#!/bin/sh
# The program that goes through all four stages, in miniature; and once more, killed on the way again
# and again, which must end with the same bits:
#
#   sh run_four_stages.sh PROGRAM
set -eu

program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "$1" >&2
    cat "$folder"/*.log >&2
    exit 1
}

awk 'BEGIN {
    things = split("书 手机 酒店 电脑 牛奶 房间 键盘 屏幕", thing)
    split("很好 不错 喜欢 满意 漂亮", good); split("很差 失望 后悔 太贵 难看", bad)
    for (i = 0; i < 240; ++i) {
        part = i % 10 < 2 ? "held" : int(i / 10) % 2 ? "a" : "b"
        word = i % 2 ? good[int(i / 2) % 5 + 1] : bad[int(i / 2) % 5 + 1]
        other = i % 2 ? good[int(i / 7) % 5 + 1] : bad[int(i / 7) % 5 + 1]
        printf "%s\t%s\t%s%s，%s。\n", part, i % 2 ? "good" : "bad", thing[i % things + 1], word, other
    }
}' >"$folder/reviews.tsv"

run() { # OUTPUT; becomes the program
    exec "$program" --reviews "$folder/reviews.tsv" --output "$folder/$1" --layers 1 --heads 2 --width 32 \
        --context 96 --vocabulary 320 --threads 2 --percent 4 >"$folder/$1.log" 2>&1
}

(run straight) || fail 'straight: failed'
for file in report.html 1-pretrain/model.safetensors 2b-classify/config.json 4-ppo/model.safetensors; do
    [ -s "$folder/straight/$file" ] || fail "no $file"
done
grep -q '^4 PPO .*samples that the judge calls good' "$folder/straight.log" || fail 'no table'
[ "$(grep -c '<svg' "$folder/straight/report.html")" -ge 15 ] || fail 'the report lacks curves'
if grep -qiE '<script|https?:' "$folder/straight/report.html"; then
    fail 'the report is not self-contained'
fi

# Killed after a while, a little later each time, until it comes through.
kills=0
while :; do
    run killed &
    child=$!
    (
        sleep "$(awk -v n="$kills" 'BEGIN { print 0.2 + n * 0.07 }')"
        kill -9 "$child" 2>/dev/null
    ) &
    timer=$!
    if wait "$child"; then
        kill "$timer" 2>/dev/null || :
        break
    fi
    kills=$((kills + 1))
    [ "$kills" -lt 60 ] || fail 'killed: never came through'
done
[ "$kills" -gt 0 ] || fail 'killed: was never killed'
for stage in 1-pretrain 2a-write 2b-classify 3-reward 4-judge 4-ppo; do
    cmp "$folder/straight/$stage/model.safetensors" "$folder/killed/$stage/model.safetensors" ||
        fail "killed $kills times: another model in $stage"
done
# The table but for its times.
for run in straight killed; do
    grep -v '^report' "$folder/$run.log" | sed -n '/^stage  /,$p' | sed 's/ *[0-9]*:[0-9][0-9]$//' >"$folder/$run.table"
done
cmp "$folder/straight.table" "$folder/killed.table" || fail 'killed: another table'

# Mistakes are answered, not crashed on.
if "$program" --output "$folder/none" >"$folder/usage.log" 2>&1; then
    fail 'no reviews: accepted'
fi
if "$program" --reviews "$folder/missing" --output "$folder/none" >"$folder/missing.log" 2>&1; then
    fail 'missing reviews: accepted'
fi
grep -q missing "$folder/missing.log" || fail 'missing reviews: not named'
printf 'a good text\n' >"$folder/wrong.tsv"
if "$program" --reviews "$folder/wrong.tsv" --output "$folder/none" >"$folder/wrong.log" 2>&1; then
    fail 'reviews without tabs: accepted'
fi
