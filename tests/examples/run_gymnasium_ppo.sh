#!/bin/sh
# PPO over Gymnasium's environments learns, and what Python raises in there comes out:
# sh run_gymnasium_ppo.sh WITH_PYTHON EXAMPLE
set -eu

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
sh "$1" -c 'import gymnasium' 2>/dev/null || { echo 'skipped: no gymnasium'; exit 77; }
sh "$1" "$2" --steps 10240 >"$folder/log"
cat "$folder/log"
awk '/ steps / { if (!n++) first = $4; last = $4 } /^evaluation/ { told = $2 }
     END { exit !(n == 10 && last > first + 20 && told > 50) }' "$folder/log"

cat >"$folder/broken.py" <<'END'
import sys
from pathlib import Path

sys.path.insert(0, str(Path(sys.argv.pop(1)).parent))
import gymnasium_ppo


class Broken(gymnasium_ppo.gymnasium.Wrapper):
    def step(self, action):
        raise RuntimeError("the pole is broken")


made = gymnasium_ppo.make
gymnasium_ppo.make = lambda name: Broken(made(name))
try:
    gymnasium_ppo.main()
except RuntimeError as error:
    assert str(error) == "the pole is broken", error
else:
    raise SystemExit("nothing was raised")
END
sh "$1" "$folder/broken.py" "$2" --steps 1024
