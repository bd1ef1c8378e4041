"""A training step here beside its own products, and the same step in PyTorch, in one table.

    step.py BENCH_STEP [SECONDS [NAME …]]

Each line is measured in processes of their own, ours and PyTorch's in turn, twice; the better median
of each counts, PyTorch's as the best of its own settings (eager; compiled where that works).
"""
import json
import os
import subprocess
import sys
from pathlib import Path

NAMES = ["10.8M", "124M-T64", "124M-T1024", "llama-15M", "MiniLM", "nano"]
TORCH = Path(__file__).with_name("step_torch.py")


def measure(command):
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        return None


def main():
    bench, seconds = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "4"
    names = sys.argv[3:] or NAMES
    python = os.environ.get("FOURSTAGE_PYTHON", sys.executable)
    settings = os.environ.get("BENCH_TORCH", "eager").split(",")
    print("OPENBLAS_CORETYPE", os.environ.get("OPENBLAS_CORETYPE", "unset"))
    print(f"{'':11} {'':4} {'ms':>8} {'tok/s':>7} {'products':>8} {'ratio':>5} {'GFLOP/s':>7} "
          f"{'plan MB':>7} {'peak MB':>7} {'alloc':>5} | PyTorch {'ms':>8} {'peak MB':>7} "
          f"| {'speed':>5} {'memory':>6}")
    for name in names:
        for dtype in ("f32", "bf16"):
            ours, theirs = [], []
            for _ in range(2):
                ours.append(measure([bench, name, dtype, seconds]))
                theirs += [measure([python, str(TORCH), name, dtype, seconds, how])
                           for how in settings]
            o = min((x for x in ours if x), key=lambda x: x["ms"])
            t = min((x for x in theirs if x), key=lambda x: x["ms"])
            print(f"{name:11} {dtype:4} {o['ms']:8.1f} {o['tokens_per_second']:7.0f} "
                  f"{o['products_ms']:8.1f} {o['ratio']:5.2f} {o['gflops']:7.0f} "
                  f"{o['planned_bytes'] / 1e6:7.0f} {o['peak_bytes'] / 1e6:7.0f} "
                  f"{o['allocations']:5} | {t['how']:7} {t['ms']:8.1f} {t['peak_bytes'] / 1e6:7.0f} "
                  f"| {t['ms'] / o['ms']:5.2f} {o['peak_bytes'] / t['peak_bytes']:6.2f}", flush=True)


if __name__ == "__main__":
    main()
