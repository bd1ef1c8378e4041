"""A training step with an adapter beside the full one: processor time on one thread and the memory
held, for a GPT-2 of 6 layers of width 384, batch 16 x 256, rank 16 in all modules. Processor time,
since it says the same on a machine that others use too.
"""
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "python"))

import fourstage as fst  # noqa: E402
import numpy as np  # noqa: E402

ROWS, LENGTH, VOCABULARY, STEPS = 16, 256, 65, 5
KINDS = {
    "full": None,
    "LoRA, no dropout": {"dropout": 0.0},
    "LoRA": {},
    "DoRA": {"weight_decomposed": 1},
}


def step(model, optimizer, batch, number):
    model.forward(batch, step=number)
    model.loss()
    model.backward()
    optimizer.step()


def measure(dtype, adapter):
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (ROWS, LENGTH)).astype(np.int32)
    batch = fst.Batch(rows=ROWS, length=LENGTH, ids=ids, targets=ids)
    with fst.Context(threads=1, seed=1) as context:
        config = fst.ModelConfig(vocabulary_size=VOCABULARY, context_length=LENGTH, layers=6,
                                 heads=6, width=384)
        with fst.Model(context, config, dtype=dtype) as model:
            if adapter is not None:
                model.add_adapter(**adapter)
            with fst.Optimizer(model) as optimizer:
                times = []
                for number in range(STEPS):
                    start = time.process_time()
                    step(model, optimizer, batch, number)
                    times.append(time.process_time() - start)
                return min(times), context.get_info().live_bytes


def main():
    print(f"{'':20}{'dtype':>6}{'ms':>8}{'of full':>9}{'MB':>7}")
    for name, dtype in (("f32", fst.F32), ("bf16", fst.BF16)):
        full = None
        for kind, adapter in KINDS.items():
            seconds, memory = measure(dtype, adapter)
            full = full or seconds
            print(f"{kind:20}{name:>6}{1e3 * seconds:8.0f}{seconds / full:9.2f}{memory / 1e6:7.0f}",
                  flush=True)


if __name__ == "__main__":
    main()
