"""Finetuning a real encoder on the snippets of sentiment/rt-polarity, here and in
transformers/PyTorch by the same recipe, side by side: accuracy on folds 0 to 2 of ten (line number
mod 10), three seeds, and the time of an epoch of both.

    rt_polarity.py [--folds 0,1,2] [--seeds 1,2,3] [--epochs 2] [--threads 2] [--examples N]

Fails where the mean accuracies are more than one point apart.
"""
import argparse
import os
import random
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "python"))

import fourstage as fst  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

ENCODER = Path(sys.prefix) / "encoder"
DATA = Path(os.environ.get("FOURSTAGE_DATA", ROOT / ".." / "shared" / "data")) / "sentiment" / \
    "rt-polarity"
RATE, DECAY, CLIP, DROPOUT, LENGTH, BATCH = 5e-5, 0.01, 1.0, 0.1, 64, 32


def snippets(fold, most):
    """Training and test texts with their classes, of which 1 is positive."""
    parts = ([], [])
    for label, name in enumerate(("rt-polarity.neg", "rt-polarity.pos")):
        lines = (DATA / name).read_text(encoding="latin-1").split("\n")
        for number, line in enumerate(line for line in lines if line):
            parts[number % 10 == fold].append((line.strip(), label))
    for part in parts:
        random.Random(7).shuffle(part)
    return parts[0][:most or None], parts[1][:most or None]


# ---- here

def run_here(train, test, seed, epochs, threads):
    steps = -(-len(train) // BATCH)
    with fst.Context(threads=threads, seed=seed) as context, \
            fst.Tokenizer.load(context, str(ENCODER / "tokenizer.json")) as tokenizer, \
            fst.Model.load(context, str(ENCODER)) as model:
        model.add_head(name="classifier", outputs=2, pooling=fst.POOL_POOLER, dropout=DROPOUT)
        texts = dict(add_bos=1, add_eos=1, max_length=LENGTH, too_long=fst.TOO_LONG_CUT_END)
        sets = [fst.Dataset.from_labelled(context, tokenizer, [text for text, _ in part],
                                          [label for _, label in part], **texts)
                for part in (train, test)]
        optimizer = fst.Optimizer.create(
            model, learning_rate=RATE, weight_decay=DECAY, clip_norm=CLIP,
            schedule=fst.SCHEDULE_LINEAR, warmup=fst.WARMUP_FROM_ZERO,
            total_steps=steps * epochs, warmup_steps=steps * epochs // 10)
        run = fst.sft_create(model=model, optimizer=optimizer, train=sets[0], head="classifier",
                             rows=BATCH)
        times = []
        for epoch in range(epochs):
            start = time.perf_counter()
            run.until((epoch + 1) * steps)
            times.append(time.perf_counter() - start)
        outputs = np.asarray(fst.sft_predict(model, "classifier", sets[1], 64)).reshape(-1, 2)
        run.destroy()
        optimizer.destroy()
    truth = np.array([label for _, label in test])
    return float((outputs.argmax(1) == truth).mean()), times


# ---- in PyTorch

def collate(tokenizer, examples):
    batch = tokenizer([text for text, _ in examples], truncation=True, max_length=LENGTH,
                      padding=True, return_tensors="pt")
    return batch, torch.tensor([label for _, label in examples])


def run_torch(train, test, seed, epochs, threads):
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(str(ENCODER))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        str(ENCODER), num_labels=2, classifier_dropout=DROPOUT)
    decayed = [p for p in model.parameters() if p.dim() > 1]
    others = [p for p in model.parameters() if p.dim() <= 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": DECAY},
                                   {"params": others, "weight_decay": 0.0}], lr=RATE)
    steps = -(-len(train) // BATCH) * epochs
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    order, times = random.Random(seed), []
    for _ in range(epochs):
        start = time.perf_counter()
        model.train()
        places = list(range(len(train)))
        order.shuffle(places)
        for first in range(0, len(places), BATCH):
            inputs, labels = collate(tokenizer, [train[i] for i in places[first:first + BATCH]])
            loss = torch.nn.functional.cross_entropy(model(**inputs).logits, labels)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
        times.append(time.perf_counter() - start)
    model.eval()
    right = 0
    with torch.no_grad():
        for first in range(0, len(test), 64):
            inputs, labels = collate(tokenizer, test[first:first + 64])
            right += int((model(**inputs).logits.argmax(1) == labels).sum())
    return right / len(test), times


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folds", default="0,1,2")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--examples", type=int, default=0, help="at most so many of each part")
    options = parser.parse_args()
    for path in (ENCODER / "model.safetensors", DATA):
        if not path.exists():
            print(f"skipped: {path} is missing")
            return 77
    print("fold seed | accuracy here, in PyTorch | seconds of an epoch here, in PyTorch")
    accuracies, seconds = ([], []), ([], [])
    for fold in map(int, options.folds.split(",")):
        train, test = snippets(fold, options.examples)
        for seed in map(int, options.seeds.split(",")):
            for which, run in enumerate((run_here, run_torch)):
                accuracy, times = run(train, test, seed, options.epochs, options.threads)
                accuracies[which].append(accuracy)
                seconds[which].extend(times)
            print(f"{fold:4} {seed:4} | {accuracies[0][-1]:.4f} {accuracies[1][-1]:.4f} | "
                  f"{np.mean(seconds[0][-options.epochs:]):6.1f} "
                  f"{np.mean(seconds[1][-options.epochs:]):6.1f}", flush=True)
    means = [float(np.mean(part)) for part in accuracies]
    print(f"mean {means[0]:.4f} (± {np.std(accuracies[0]):.4f}) here, {means[1]:.4f} "
          f"(± {np.std(accuracies[1]):.4f}) in PyTorch; an epoch takes {np.median(seconds[0]):.1f} s "
          f"here, {np.median(seconds[1]):.1f} s in PyTorch, {options.threads} threads each")
    return 0 if abs(means[0] - means[1]) <= 0.01 else 1


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    sys.exit(main())
