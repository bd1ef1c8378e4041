"""A ResNet's training step here beside its own products, and the same step in PyTorch.

    image_step.py BENCH_IMAGE_STEP [SECONDS [NAME …]]

Times are processor time of the fastest step; ours and PyTorch's in turn, twice, PyTorch's as the better
of its two layouts. With one thread it is the time of the step; with two it is that of both.
"""
import json
import os
import subprocess
import sys
from pathlib import Path

NAMES = ["fashion", "cifar", "resnet50"]
TORCH = Path(__file__).with_name("image_step_torch.py")


def measure(command, threads):
    done = subprocess.run(command, capture_output=True, text=True,
                          env={**os.environ, "FOURSTAGE_THREADS": str(threads)})
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        return None


def main():
    bench, seconds = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "3"
    python = os.environ.get("FOURSTAGE_PYTHON", sys.executable)
    print(f"{'':9} {'':4} threads {'wall':>8} {'processor':>9} {'products':>8} {'ratio':>5} {'alloc':>5} | "
          f"PyTorch {'wall':>8} {'processor':>9} {'layout':13} | {'speed':>5}")
    for name in sys.argv[3:] or NAMES:
        for threads in (1, 2):
            for dtype in ("f32", "bf16"):
                ours, theirs = [], []
                for _ in range(2):
                    ours.append(measure([bench, name, dtype, seconds], threads))
                    theirs += [measure([python, str(TORCH), name, dtype, seconds, layout], threads)
                               for layout in ("channels_last", "contiguous")]
                o = min((x for x in ours if x), key=lambda x: x["processor_ms"])
                t = min((x for x in theirs if x), key=lambda x: x["processor_ms"])
                print(f"{name:9} {dtype:4} {threads:7} {o['ms']:8.1f} {o['processor_ms']:9.1f} "
                      f"{o['products_processor_ms']:8.1f} {o['ratio']:5.2f} {o['allocations']:5} | "
                      f"        {t['ms']:8.1f} {t['processor_ms']:9.1f} {t['layout']:13} | "
                      f"{t['processor_ms'] / o['processor_ms']:5.2f}", flush=True)


if __name__ == "__main__":
    main()
