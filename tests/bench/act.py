"""How long one observation takes through ctypes: python3 act.py"""
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "python"))
import fourstage as fst  # noqa: E402


def main():
    sees = fst.Space(kind=fst.SPACE_BOX)
    sees.shape[0] = 4
    policy = fst.Policy.create_control(fst.Context(threads=1), observation_space=sees,
                                       action_space=fst.Space(kind=fst.SPACE_DISCRETE, n=2))
    observation, action, options = np.ones(4, "float32"), np.zeros(1, "int32"), fst.ActOptions()
    best = 1e9
    for _ in range(30):
        begin = time.perf_counter()
        for step in range(300):
            options.step = step
            policy.act(observation, action, options=options)
        best = min(best, (time.perf_counter() - begin) / 300)
    print(f"act through ctypes, two towers 4-64-64, 1 row: {best * 1e6:.1f} us")


if __name__ == "__main__":
    main()
