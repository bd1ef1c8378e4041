"""Sentence embeddings: the most similar pairs, the correlation with human judgement, and training by SimCSE.

    python3 sentence_similarity.py DIRECTORY [--pairs FILE] [--texts FILE] [--train STEPS] [--save DIRECTORY]

DIRECTORY holds an encoder as sentence-transformers or Hugging Face has it, for example all-MiniLM-L6-v2, or a
causal model, whose tokens' mean then is the embedding. --pairs names a CSV or TSV file with the columns
sentence1, sentence2 and a score (score, similarity or label), such as the STS benchmark; --texts a file of
sentences, one a line. --train goes on with the encoder on these sentences alone: two passes of the same
sentence with dropout are alike, those of others are not (Gao et al., "SimCSE", arXiv 2104.08821).
"""
import argparse
import csv

import numpy

import fourstage

EXAMPLES = ["A man is playing a guitar.", "Somebody plays an instrument.", "The market fell by three percent.",
            "Stocks lost three percent today.", "A dog runs across the beach.", "The dog is running along the sea."]


def read_pairs(path):
    """[first], [second], [score] of a file with a header."""
    with open(path, encoding="utf-8", newline="") as file:
        head = file.readline()
        file.seek(0)
        tabs = "\t" in head
        rows = list(csv.DictReader(file, delimiter="\t" if tabs else ",",
                                   quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL))
    score = next(name for name in ("score", "similarity", "label") if name in rows[0])
    return ([row["sentence1"] for row in rows], [row["sentence2"] for row in rows],
            numpy.array([float(row[score]) for row in rows], "float32"))


class Encoder:
    """A model, its tokenizer, and how a text goes through both."""

    def __init__(self, context, directory):
        self.context = context
        self.tokenizer = fourstage.Tokenizer.load(context, directory)
        self.model = fourstage.Model.load(context, directory)
        length = self.model.get_config().context_length
        try:
            length = self.model.get_sentence().length or length
        except fourstage.NotFoundError:
            pass                               # not from sentence-transformers: the mean, of all that fits
        around = [self.tokenizer.special_id(role) >= 0 for role in (fourstage.TOKEN_BOS, fourstage.TOKEN_EOS)]
        self.options = dict(add_bos=around[0], add_eos=around[1], max_length=length,
                            too_long=fourstage.TOO_LONG_CUT_END)

    def texts(self, texts, length=None):
        """A dataset; what is longer than `length` tokens is cut."""
        options = dict(self.options, max_length=min(length, self.options["max_length"])) if length else self.options
        return fourstage.Dataset.from_prompts(self.context, self.tokenizer, texts, **options)

    def pairs(self, first, second, scores):
        return fourstage.Dataset.from_pairs(self.context, self.tokenizer, first, second, None, scores, len(first),
                                            **self.options)

    def embed(self, texts):
        """[texts, width], each of length 1."""
        return self.model.embed(self.texts(texts)).reshape(len(texts), -1)

    def spearman(self, first, second, scores):
        cosines = (self.embed(first) * self.embed(second)).sum(axis=1)
        return fourstage.metrics_correlation(self.context, cosines, scores)[1]


def print_similar(texts, embeddings, count=5):
    cosines = numpy.triu(embeddings @ embeddings.T, 1) - numpy.tri(len(texts))
    for index in numpy.argsort(cosines, axis=None)[::-1][:count]:
        i, j = divmod(int(index), len(texts))
        if j > i:
            print(f"  {cosines[i, j]:.3f}  {texts[i]}  |  {texts[j]}")


def train(encoder, texts, validation, steps, rows, rate):
    """One SimCSE run, of at most 32 tokens a sentence; the optimizer's schedule falls to 0 at its end."""
    optimizer = fourstage.Optimizer(encoder.model, learning_rate=rate, weight_decay=0,
                                    schedule=fourstage.SCHEDULE_LINEAR, total_steps=steps)
    run = fourstage.contrastive_create(
        model=encoder.model, optimizer=optimizer, train=encoder.texts(texts, 32), validation=validation, rows=rows,
        temperature=0.05, run=dict(total_steps=steps, evaluate_every=max(1, steps // 4) if validation else 0))
    for step in range(1, steps + 1):
        progress = run.step()
        if step % max(1, steps // 8) == 0:
            print(f"step {step}: loss {progress.loss:.4f}, accuracy {run.metric('accuracy'):.3f}, "
                  f"alignment {run.metric('alignment'):.3f}, uniformity {run.metric('uniformity'):.3f}", flush=True)
        if progress.evaluated:
            print(f"step {step}: Spearman {run.metric('validation_spearman'):.4f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory")
    parser.add_argument("--pairs", help="CSV or TSV: sentence1, sentence2, score")
    parser.add_argument("--texts", help="sentences, one a line")
    parser.add_argument("--train", type=int, default=0, metavar="STEPS")
    parser.add_argument("--rows", type=int, default=64, help="sentences of a step")
    parser.add_argument("--rate", type=float, default=1e-5, help="learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", help="directory for the trained model")
    options = parser.parse_args()
    with fourstage.Context(seed=options.seed) as context:
        encoder = Encoder(context, options.directory)
        pairs = read_pairs(options.pairs) if options.pairs else None
        texts = EXAMPLES
        if options.texts:
            with open(options.texts, encoding="utf-8") as file:
                texts = [line.strip() for line in file if line.strip()]
        elif pairs and options.train:
            texts = sorted(set(pairs[0] + pairs[1]))
        print("most similar:")
        print_similar(texts[:500], encoder.embed(texts[:500]))
        if pairs:
            print(f"Spearman before: {encoder.spearman(*pairs):.4f} on {len(pairs[0])} pairs")
        if options.train:
            train(encoder, texts, encoder.pairs(*pairs) if pairs else None, options.train, options.rows, options.rate)
            print("most similar after training:")
            print_similar(texts[:500], encoder.embed(texts[:500]))
            if pairs:
                print(f"Spearman after: {encoder.spearman(*pairs):.4f}")
        if options.save:
            encoder.model.save(encoder.tokenizer, options.save)


if __name__ == "__main__":
    main()
