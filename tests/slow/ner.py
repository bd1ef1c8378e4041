"""Names: an encoder finetuned on wnut17 and on ncbi-disease, here and in PyTorch beside it, by one recipe.

    python ner.py [--sets wnut17,ncbi-disease] [--seeds 3] [--epochs 3] [--dropout 0.1] [--steps N] [--threads N]

Both sides get the same initial weights, the same batches in the same order (fst_dataset_order), ids and
labels as this library makes them (parity_words.py shows that they are tokenizers'), the same schedule, and
dropout of their own. Prints loss, entity F1 both ways and the time of an epoch of both. Without --steps the
strict F1's mean over the seeds must be within a point of PyTorch's. Without dropout both train alike: the
losses of the first steps must then agree to 1e-3. The counts are checked with seqeval.
"""
import argparse
import json
import math
import os
import sys
import tempfile
import time
from pathlib import Path

try:
    import numpy as np
    import torch
    import transformers
    from seqeval.metrics import f1_score
    from seqeval.scheme import IOB2
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "python"))
import fourstage as fst  # noqa: E402

DATA = Path(os.environ.get("FOURSTAGE_DATA", ROOT.parent / "shared" / "data"))
ENCODER = Path(os.environ.get("FOURSTAGE_ENCODER", Path(sys.prefix) / "encoder"))
FILES = {"wnut17": ("wnut17/train.conll", "wnut17/dev.conll"),
         "ncbi-disease": ("ncbi-disease/train.tsv", "ncbi-disease/dev.tsv")}
LENGTH, BATCH, RATE = 128, 16, 1e-4
for needed in (DATA / "ner", ENCODER / "model.safetensors"):
    if not needed.exists():
        print(f"skipped: there is no {needed}")
        sys.exit(77)

transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def text(name):
    return name.decode() if isinstance(name, bytes) else name


def encoder_with(dropout, folder):
    """The encoder's directory with another dropout in its config."""
    for file in ENCODER.iterdir():
        if file.name != "config.json":
            (folder / file.name).symlink_to(file.resolve())
    config = json.loads((ENCODER / "config.json").read_text())
    config.update(hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    (folder / "config.json").write_text(json.dumps(config))
    return str(folder)


class Examples:
    """A dataset's ids and labels as arrays, for PyTorch; its words' true tags by sentence."""

    def __init__(self, data):
        self.items, info = [], data.get_words_info()
        for index in range(info.examples):
            e = data.get_word_example(index)
            one = [np.ctypeslib.as_array(p, (e.length,)).copy() for p in (e.ids, e.classes, e.words)]
            self.items.append((*one, e.first_word))
        self.tags = [text(data.get_tag(i)) for i in range(info.tags)]
        words = [data.get_word(i) for i in range(info.words)]
        self.true = np.array([w.tag for w in words])
        self.sentence = np.array([w.sentence for w in words])

    def batch(self, indices):
        chosen = [self.items[i] for i in indices]
        length = max(len(ids) for ids, *_ in chosen)
        ids, mask = (torch.zeros(len(chosen), length, dtype=torch.long) for _ in range(2))
        labels = torch.full_like(ids, -100)
        for row, (one, classes, *_) in enumerate(chosen):
            ids[row, :len(one)], labels[row, :len(one)] = torch.tensor(one), torch.tensor(classes)
            mask[row, :len(one)] = 1
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}

    def f1(self, told):
        """seqeval's figures of classes for all words; those that are in no example are left out."""
        there = (told >= 0) & (self.true >= 0)
        splits = np.flatnonzero(np.diff(self.sentence[there])) + 1
        both = [[[self.tags[c] for c in part] for part in np.split(side[there], splits)]
                for side in (self.true, told)]
        return f1_score(*both, mode="strict", scheme=IOB2, zero_division=0), f1_score(*both, zero_division=0)


def ours(seed, files, encoder, asked):
    """The dataset of each side is made here, PyTorch's run gets them."""
    context = fst.Context(threads=asked.threads, seed=seed)
    tokenizer = fst.Tokenizer.load(context, encoder)
    options = dict(add_bos=1, add_eos=1, max_length=LENGTH, too_long=fst.TOO_LONG_WINDOWS, overlap=32, drop_useless=1)
    train = fst.Dataset.load_conll(context, tokenizer, [str(DATA / "ner" / files[0])], fst.WordOptions(**options))
    held_options = fst.WordOptions(**options)
    held_options.tags_of = train
    held = fst.Dataset.load_conll(context, tokenizer, [str(DATA / "ner" / files[1])], held_options)
    info = train.get_words_info()
    epoch_steps = math.ceil(info.examples / BATCH)
    steps = asked.steps or epoch_steps * asked.epochs
    model = fst.Model.load(context, encoder)
    model.add_head(name="classifier", kind=fst.HEAD_TOKEN, outputs=info.tags, dropout=asked.dropout)
    start = {name: np.array(model.parameter(f"heads.classifier.{name}")) for name in ("weight", "bias")}
    optimizer = fst.Optimizer.create(model, learning_rate=RATE, schedule=fst.SCHEDULE_LINEAR,
                                     warmup=fst.WARMUP_FROM_ZERO, warmup_steps=steps // 10, total_steps=steps)
    run = fst.sft_create(model=model, optimizer=optimizer, train=train, validation=held, head="classifier",
                         rows=BATCH)
    began, losses = time.perf_counter(), []
    for _ in range(steps):
        run.step()
        losses.append(run.metric("loss"))
    seconds = (time.perf_counter() - began) / steps * epoch_steps
    run.evaluate()
    examples, held_examples = Examples(train), Examples(held)
    told = np.asarray(fst.sft_tag(model, "classifier", held, BATCH))
    figures = run.metric("validation_f1_strict"), run.metric("validation_f1")
    assert np.allclose(figures, held_examples.f1(told), rtol=0, atol=1e-12), "not seqeval's figures"
    order = train.order(0, steps * BATCH, shuffle=True)
    return dict(f1=figures, seconds=seconds, losses=losses, loss=run.metric("validation_loss")), \
        dict(train=examples, held=held_examples, order=order.reshape(steps, BATCH), start=start, steps=steps,
             epoch_steps=epoch_steps)


def theirs(seed, shared, encoder, threads):
    torch.manual_seed(seed)
    torch.set_num_threads(threads)
    train, held, steps = shared["train"], shared["held"], shared["steps"]
    model = transformers.AutoModelForTokenClassification.from_pretrained(encoder, num_labels=len(train.tags))
    with torch.no_grad():
        model.classifier.weight.copy_(torch.tensor(shared["start"]["weight"]))
        model.classifier.bias.copy_(torch.tensor(shared["start"]["bias"]))
    plain = [p for n, p in model.named_parameters() if p.ndim < 2]
    others = [p for n, p in model.named_parameters() if p.ndim >= 2]
    optimizer = torch.optim.AdamW([{"params": others, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0}],
                                  lr=RATE, eps=1e-8)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    model.train()
    began, losses = time.perf_counter(), []
    for indices in shared["order"]:
        loss = model(**train.batch(indices)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    seconds = (time.perf_counter() - began) / steps * shared["epoch_steps"]
    model.eval()
    told, total, count = np.full(len(held.true), -100), 0.0, 0
    with torch.no_grad():
        for first in range(0, len(held.items), BATCH):
            chosen = range(first, min(first + BATCH, len(held.items)))
            batch = held.batch(chosen)
            out = model(**batch)
            labels = int((batch["labels"] >= 0).sum())
            total, count = total + out.loss.item() * labels if labels else total, count + labels
            for row, index in enumerate(chosen):
                _, _, words, first_word = held.items[index]
                begins = np.flatnonzero((words >= first_word) & (np.diff(words, prepend=-2) != 0))
                told[words[begins]] = out.logits[row, begins].argmax(-1).numpy()
    return dict(f1=held.f1(told), seconds=seconds, losses=losses, loss=total / count)


def compare(asked, encoder):
    far = []
    print(f"{'':14} {'seed':>4} {'':8} {'first loss':>10} {'held loss':>9} {'F1 strict':>9} {'F1':>7} {'s/epoch':>8}")
    for name in asked.sets.split(","):
        strict = {"here": [], "PyTorch": []}
        for seed in range(1, asked.seeds + 1):
            here, shared = ours(seed, FILES[name], encoder, asked)
            there = theirs(seed, shared, encoder, asked.threads)
            if asked.dropout == 0:
                apart = np.max(np.abs(np.array(here["losses"][:5]) / np.array(there["losses"][:5]) - 1))
                assert apart < 1e-3, f"losses of the first steps are {apart:.2g} apart"
            for side, found in (("here", here), ("PyTorch", there)):
                strict[side].append(100 * found["f1"][0])
                print(f"{name:14} {seed:4} {side:8} {found['losses'][0]:10.4f} {found['loss']:9.4f} "
                      f"{100 * found['f1'][0]:9.2f} {100 * found['f1'][1]:7.2f} {found['seconds']:8.1f}", flush=True)
        means = {side: float(np.mean(values)) for side, values in strict.items()}
        print(f"{name:14} mean strict F1: here {means['here']:.2f}, PyTorch {means['PyTorch']:.2f}", flush=True)
        if not asked.steps and abs(means["here"] - means["PyTorch"]) > 1:
            far.append(name)
    if far:
        sys.exit(f"more than a point apart: {', '.join(far)}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sets", default="wnut17,ncbi-disease")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=0, help="instead of epochs; nothing is then asked of F1")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--dropout", type=float, default=0.1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(asked, encoder_with(asked.dropout, Path(folder)))


if __name__ == "__main__":
    main()
