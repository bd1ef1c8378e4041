#!/bin/sh
# The program that learns to act: pictures, figures, going on after kill -9, playing: sh run_control.sh PROGRAM
set -eu

program=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "$1" >&2
    cat "$folder"/*.log >&2
    exit 1
}

robot() { # FOLDER OPTION...
    to=$folder/$1
    shift
    "$program" robot --output "$to" --steps 8192 --envs 8 --rollout 64 --minibatch 128 --epochs 2 --evaluate 16 \
        --worlds 3 --threads 1 "$@"
}
robot whole >"$folder/whole.log" 2>&1 || fail 'robot: it failed'
grep -q '^goal reached ' "$folder/whole.log" || fail 'robot: no table'
for picture in before after; do
    [ "$(grep -c '<text ' "$folder/whole/$picture.svg")" = 3 ] || fail "robot: $picture.svg has not three worlds"
done

# Killed in the middle and started again, it ends with the same policy; so it does with two threads.
robot killed --threads 2 >"$folder/killed.log" 2>&1 &
pid=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    ls "$folder"/killed/checkpoints/checkpoint-* >/dev/null 2>&1 && break
    sleep 0.1
done
kill -9 "$pid" 2>/dev/null || true
wait "$pid" 2>/dev/null || true
robot killed --threads 2 >"$folder/again.log" 2>&1 || fail 'robot: it does not go on'
cmp "$folder/whole/policy.safetensors" "$folder/killed/policy.safetensors" || fail 'robot: another policy'
robot shown --play "$folder/whole/policy.safetensors" >"$folder/shown.log" 2>&1 || fail 'robot: cannot be shown'
cmp "$folder/whole/after.svg" "$folder/shown/after.svg" || fail 'robot: shown otherwise than after training'

four() {
    "$program" connect-four --output "$folder/four" --steps 8192 --envs 16 --rollout 32 --minibatch 128 --threads 1 "$@"
}
printf '4\n4\n9\nx\n' | four >"$folder/four.log" 2>&1 || fail 'Connect Four: it failed'
grep -q 'a number from 1 to 7' "$folder/four.log" || fail 'Connect Four: column 9 was taken'
four --play "$folder/four/policy.safetensors" --match 4 --depth 2 >"$folder/match.log" 2>&1 || fail 'match: it failed'
grep -q 'of 4 games$' "$folder/match.log" || fail 'match: no result'

"$program" CartPole-v1 --output "$folder/pole" --steps 20000 --threads 1 >"$folder/pole.log" 2>&1 || fail 'CartPole: it failed'
awk '/^return/ { better = $3 > 2 * $2 } END { exit !better }' "$folder/pole.log" || fail 'CartPole: nothing was learnt'

if "$program" Nowhere-v0 --output "$folder/nowhere" >"$folder/nowhere.log" 2>&1; then
    fail 'an unknown environment: accepted'
fi
grep -q 'Nowhere-v0' "$folder/nowhere.log" || fail 'an unknown environment: not named'
