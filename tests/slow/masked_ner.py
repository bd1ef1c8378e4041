"""Does pretraining by masked tokens help? An encoder learns Chinese names with and without it.

    python masked_ner.py [--text lm,oasst] [--seeds 3] [--first-seed N] [--pretrain-steps N] [--epochs N] [--threads N]

For each seed one encoder is pretrained on the texts and finetuned on ner/uner-zh, and another of the same
size is trained on the names alone, by the same recipe. The vocabulary, WordPiece, is that of the texts and of
the training sentences. Prints what the masks came to and entity F1 both ways; without --pretrain-steps the
mean strict F1 with pretraining must be above that without. Texts: lm, the poems of lm/poetry-zh; oasst, the
conversations of instruct/oasst-zh.json.
"""
import argparse
import json
import os
import re
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

DATA = Path(os.environ.get("FOURSTAGE_DATA", ROOT.parent / "shared" / "data"))
for needed in (DATA / "ner" / "uner-zh", DATA / "lm" / "poetry-zh"):
    if not needed.exists():
        print(f"skipped: there is no {needed}")
        sys.exit(77)
LENGTH, LAYERS, WIDTH, HEADS, VOCABULARY = 128, 4, 256, 4, 8000
PRETRAIN_ROWS, PRETRAIN_RATE, PRETRAIN_STEPS = 16, 1e-3, 2000
NER_ROWS, NER_RATE = 16, 1e-3


def strings(value):
    """The texts of a poem, whatever the file calls them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        lines = [line for key in ("paragraphs", "content") for line in value.get(key) or [] if isinstance(line, str)]
        if lines:
            yield "".join(lines)
        else:
            for key in ("paragraphs", "content"):
                yield from strings(value.get(key) or [])


def read_texts(names):
    texts = []
    if "lm" in names:
        for path in sorted((DATA / "lm" / "poetry-zh").glob("*.json")):
            texts += [text for text in strings(json.loads(path.read_text())) if text]
    if "oasst" in names:
        for item in json.loads((DATA / "instruct" / "oasst-zh.json").read_text()):
            texts += [line for line in re.split(r"\n+", item["instruction"] + "\n" + item["output"]) if len(line) > 8]
    return sorted(set(texts))


def sentences(path):
    return re.findall(r"^# text = (.*)$", path.read_text(), re.M)


class Task:
    def __init__(self, seed, texts, threads):
        self.context = fst.Context(threads=threads, seed=seed)
        names = [str(DATA / "ner" / "uner-zh" / f"{part}.iob2") for part in ("train", "dev")]
        self.tokenizer = fst.Tokenizer.train_texts(
            self.context, texts + sentences(Path(names[0])), kind=fst.TOKENIZER_WORDPIECE, vocabulary_size=VOCABULARY)
        documents = fst.Dataset.from_texts(self.context, self.tokenizer, texts, add_bos=1, add_eos=1)
        train, held = documents.split(fraction=0.05, mode=fst.SPLIT_DOCUMENTS)
        pack = dict(length=LENGTH, mode=fst.PACK_BEST_FIT, cross_documents=0,
                    pad_id=self.tokenizer.special_id(fst.TOKEN_PAD))
        self.rows, self.held_rows = train.pack(**pack), held.pack(**pack)
        words = dict(columns=fst.COLUMNS_TAB, word_column=1, tag_column=2, comments=1, add_bos=1, add_eos=1,
                     max_length=LENGTH, too_long=fst.TOO_LONG_WINDOWS, overlap=32, drop_useless=1)
        self.names = fst.Dataset.load_conll(self.context, self.tokenizer, names[:1], fst.WordOptions(**words))
        held_words = fst.WordOptions(**words)
        held_words.tags_of = self.names
        self.held_names = fst.Dataset.load_conll(self.context, self.tokenizer, names[1:], held_words)

    def model(self):
        config = fst.ModelConfig()
        config.set_family(fst.FAMILY_MODERNBERT)  # norms in front of each branch: BERT's own need far more steps
        config.vocabulary_size = self.tokenizer.vocabulary_size()
        config.layers, config.width, config.heads, config.hidden_size = LAYERS, WIDTH, HEADS, 3 * WIDTH
        config.context_length, config.dropout, config.attention_dropout = LENGTH, 0.1, 0.1
        return fst.Model.create(self.context, config, dtype=fst.BF16)

    def optimizer(self, model, rate, steps):
        return fst.Optimizer.create(model, learning_rate=rate, schedule=fst.SCHEDULE_LINEAR,
                                    warmup_steps=steps // 10, total_steps=steps)

    def pretrain(self, model, steps, whole_words):
        options = fst.PretrainOptions(rows=PRETRAIN_ROWS, objective=fst.PRETRAIN_MASKED, whole_words=whole_words)
        options.model, options.train, options.validation = model, self.rows, self.held_rows
        options.optimizer, options.tokenizer = self.optimizer(model, PRETRAIN_RATE, steps), self.tokenizer
        run, began = fst.pretrain_create(options), time.perf_counter()
        run.until(steps)
        seconds = time.perf_counter() - began
        run.evaluate()
        print(f"     masked: {steps} steps, {run.metric('epoch'):.1f} epochs in {seconds:.0f} s; held-out perplexity "
              f"{run.metric('validation_perplexity'):.1f}, {100 * run.metric('validation_masked_accuracy'):.1f} % right",
              flush=True)

    def learn_names(self, model, epochs):
        info = self.names.get_words_info()
        steps = -(-info.examples // NER_ROWS) * epochs
        model.add_head(name="classifier", kind=fst.HEAD_TOKEN, outputs=info.tags, dropout=0.1)
        run = fst.sft_create(model=model, optimizer=self.optimizer(model, NER_RATE, steps), train=self.names,
                             validation=self.held_names, head="classifier", rows=NER_ROWS)
        began = time.perf_counter()
        run.until(steps)
        seconds = time.perf_counter() - began
        run.evaluate()
        return [100 * run.metric(name) for name in ("validation_f1_strict", "validation_f1")] + [seconds]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--text", default="lm")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--pretrain-steps", type=int, default=0, help="nothing is then asked of F1")
    parser.add_argument("--whole-words", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    texts = read_texts(asked.text.split(","))
    print(f"{len(texts)} texts of {sum(map(len, texts))} characters")
    strict = {False: [], True: []}
    for seed in range(asked.first_seed, asked.first_seed + asked.seeds):
        task = Task(seed, texts, asked.threads)
        for pretrained in (False, True):
            model = task.model()
            if pretrained:
                task.pretrain(model, asked.pretrain_steps or PRETRAIN_STEPS, asked.whole_words)
            f1_strict, f1, seconds = task.learn_names(model, asked.epochs)
            strict[pretrained].append(f1_strict)
            print(f"seed {seed} {'with' if pretrained else 'without'} pretraining: F1 strict {f1_strict:.2f}, "
                  f"conlleval {f1:.2f}, {seconds:.0f} s", flush=True)
    means = {key: float(np.mean(values)) for key, values in strict.items()}
    print(f"mean strict F1: with pretraining {means[True]:.2f}, without {means[False]:.2f}")
    if not asked.pretrain_steps and means[True] <= means[False]:
        sys.exit("pretraining does not help")


if __name__ == "__main__":
    main()
