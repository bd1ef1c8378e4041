"""SimCSE from all-MiniLM-L6-v2 on the STS benchmark's training sentences: the dev Spearman before and after.

simcse.py [RATE [STEPS]]. The bar: not below what it was by more than a thousandth. An encoder that was trained on
a billion pairs is not expected to learn much from two masks of dropout.
"""
import os
import sys
import time
from pathlib import Path

try:
    import numpy as np
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "python"))
import fourstage as fst  # noqa: E402
import sentence_similarity as similarity  # noqa: E402

RATE = float(sys.argv[1]) if len(sys.argv) > 1 else 1e-5
STEPS = int(sys.argv[2]) if len(sys.argv) > 2 else 150
ROWS, HELD = 64, 0.001


def main():
    data = Path(os.environ.get("FOURSTAGE_DATA", ROOT.parent / "shared" / "data")) / "sts"
    encoder_folder = Path(os.environ.get("FOURSTAGE_ENCODER", Path(sys.prefix) / "encoder"))
    for path in (data / "train.csv", encoder_folder / "model.safetensors"):
        if not path.exists():
            print(f"skipped: no {path}")
            sys.exit(77)
    first, second, _ = similarity.read_pairs(data / "train.csv")
    texts = sorted(set(first + second))
    pairs = similarity.read_pairs(data / "dev.csv")
    with fst.Context(seed=1) as context:
        encoder = similarity.Encoder(context, str(encoder_folder))
        before = encoder.spearman(*pairs)
        print(f"{len(texts)} sentences, {len(pairs[0])} pairs; dev Spearman before {before:.4f}", flush=True)
        began = time.monotonic()
        similarity.train(encoder, texts, encoder.pairs(*pairs), STEPS, ROWS, RATE)
        after = encoder.spearman(*pairs)
        print(f"rate {RATE:g}, {STEPS} steps of {ROWS}, {time.monotonic() - began:.0f} s: dev Spearman before "
              f"{before:.4f}, after {after:.4f}")
        sys.exit(0 if np.isfinite(after) and after >= before - HELD else 1)


if __name__ == "__main__":
    main()
