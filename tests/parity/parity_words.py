"""Words with tags: ids as `tokenizers` gives them word by word, labels as Hugging Face's recipe for token
classification lays them, and the loss and gradients of a tagging run as PyTorch's.

Tolerances: loss 1e-5 relative, gradients 1e-4 relative in norm; ids and labels exactly.
"""
import contextlib
import os
import sys
import tempfile
import unittest
from pathlib import Path

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers
    from tokenizers.implementations import BertWordPieceTokenizer
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "python"))
import fourstage as fst  # noqa: E402

DATA = Path(os.environ.get("FOURSTAGE_DATA", ROOT.parent / "shared" / "data"))
if not (DATA / "ner").is_dir():
    print(f"skipped: there is no {DATA / 'ner'}")
    sys.exit(77)

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
LOSS, GRADIENT = 1e-5, 1e-4
rng = np.random.default_rng(5)
worst = {"loss": 0, "gradient": 0}


def close(test, kind, got, expected):
    got, expected = np.asarray(got, "float64"), np.asarray(expected, "float64")
    error = np.linalg.norm(got - expected) / max(np.linalg.norm(expected), 1e-30)
    worst[kind] = max(worst[kind], error)
    test.assertLessEqual(error, LOSS if kind == "loss" else GRADIENT, kind)


def read(path, word=0, tag=-1, comments=False):
    """Sentences of (word, tag), as plainly as can be."""
    sentences, sentence = [], []
    for line in path.read_text(encoding="utf-8").split("\n"):
        if comments and line.startswith("#"):
            continue
        if not line.strip():
            if sentence:
                sentences.append(sentence)
            sentence = []
            continue
        fields = line.rstrip("\r").split("\t")
        sentence.append((fields[word], fields[tag]))
    return sentences + ([sentence] if sentence else [])


FILES = [
    ("ner/wnut17/dev.conll", {}, {}),
    ("ner/ncbi-disease/dev.tsv", {}, {}),
    ("ner/uner-zh/dev.iob2", {"word": 1, "tag": 2, "comments": True},
     {"word_column": 1, "tag_column": 2, "id_column": 0, "comments": 1}),
]


class Words(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.context = self.stack.enter_context(fst.Context(threads=1, seed=3))

    # ---- ids and labels

    def compare(self, ours, theirs, around):
        """Every sentence of every file; around: begin and end are added."""
        words = 0
        for name, plain, columns in FILES:
            sentences = read(DATA / name, **plain)
            names = sorted({tag for sentence in sentences for _, tag in sentence} - {"O"})
            classes = {tag: i for i, tag in enumerate(["O", *names])}
            options = fst.WordOptions(add_bos=around, add_eos=around, **columns)
            with fst.Dataset.load_conll(self.context, ours, [str(DATA / name)], options) as data:
                info = data.get_words_info()
                self.assertEqual((info.sentences, info.words, info.tags),
                                 (len(sentences), sum(map(len, sentences)), len(classes)))
                for index, tag in enumerate(classes):
                    got = data.get_tag(index)
                    self.assertEqual(got.decode() if isinstance(got, bytes) else got, tag)
                first = 0
                for index, sentence in enumerate(sentences):
                    encoding = theirs.encode([word for word, _ in sentence], is_pretokenized=True,
                                             add_special_tokens=bool(around))
                    labels, before = [], None
                    for word in encoding.word_ids:
                        labels.append(-100 if word is None or word == before else classes[sentence[word][1]])
                        before = word
                    got = data.get_word_example(index)
                    array = lambda pointer: np.ctypeslib.as_array(pointer, (got.length,))  # noqa: E731
                    self.assertEqual(array(got.ids).tolist(), encoding.ids, sentence)
                    self.assertEqual(array(got.classes).tolist(), labels, sentence)
                    self.assertEqual([w - first if w >= 0 else None for w in array(got.words).tolist()],
                                     encoding.word_ids)
                    first += len(sentence)
                words += info.words
        return words

    def test_wordpiece(self):
        for vocabulary, lower in (("bert-uncased", True), ("bert-chinese", False)):
            folder = DATA / "tokenizer" / vocabulary
            path = next(folder.glob("*.txt"), None) if folder.is_dir() else folder.with_suffix(".txt")
            theirs = BertWordPieceTokenizer(str(path), lowercase=lower)
            with tempfile.TemporaryDirectory() as place:
                saved = os.path.join(place, "tokenizer.json")
                theirs.save(saved)
                with fst.Tokenizer.load(self.context, saved) as ours:
                    print(f"{vocabulary}: {self.compare(ours, theirs, 1)} words")

    def test_byte_level(self):
        folder = DATA / "tokenizer" / "gpt2"
        theirs = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
        theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
        with fst.Tokenizer.load_gpt2(self.context, str(folder / "vocab.json"), str(folder / "merges.txt")) as ours:
            print(f"gpt2: {self.compare(ours, theirs, 0)} words")

    # ---- loss and gradients

    def test_loss(self):
        tags, length = ["O", "B-x", "I-x"], 32
        tokenizer = self.stack.enter_context(fst.Tokenizer.train_texts(
            self.context, ["abcdefghijklmnop"], kind=fst.TOKENIZER_CHARACTER))
        reference = transformers.LlamaForCausalLM(transformers.LlamaConfig(
            vocab_size=16, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=length, bos_token_id=0, eos_token_id=1)).eval()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        reference.save_pretrained(folder)
        model = self.stack.enter_context(fst.Model.load(self.context, folder))
        model.add_head(name="tags", kind=fst.HEAD_TOKEN, outputs=len(tags), init_std=0.3)
        weight, bias = (torch.nn.Parameter(torch.tensor(np.array(model.parameter(f"heads.tags.{n}"))))
                        for n in ("weight", "bias"))
        words, of, offsets = [], [], [0]
        for _ in range(12):
            for _ in range(rng.integers(1, 8)):
                words.append("".join(rng.choice(list("abcdefghijklmnop"), rng.integers(1, 5))))
                of.append(str(rng.choice(tags)))
            offsets.append(len(words))
        class_weights = np.array([0.5, 2, 1])
        for pieces in (0, 1):
            options = fst.WordOptions(all_pieces=pieces)
            options.tags, options.tag_count = tags, len(tags)
            data = self.stack.enter_context(fst.Dataset.from_words(
                self.context, tokenizer, words, of, np.array(offsets, "int64"), 12, options))
            outputs, labels = [], []
            for a, b in zip(offsets, offsets[1:]):
                ids = torch.tensor(np.concatenate([np.array(tokenizer.encode(w)) for w in words[a:b]])).long()
                outputs.append(F.linear(reference.model(input_ids=ids[None]).last_hidden_state[0], weight, bias))
                for word, tag in zip(words[a:b], of[a:b]):
                    label = tags.index(tag)
                    labels += [label] + [label if pieces else -100] * (len(word) - 1)
            loss = F.cross_entropy(torch.cat(outputs), torch.tensor(labels), ignore_index=-100, label_smoothing=0.1,
                                   weight=torch.tensor(class_weights).float())
            reference.zero_grad()
            weight.grad = bias.grad = None
            loss.backward()
            kept = self.stack.enter_context(fst.Optimizer.create(model, keep_gradients=1, clip_norm=0, learning_rate=0,
                                                                 weight_decay=0))
            with fst.sft_create(model=model, optimizer=kept, train=data, head="tags", rows=4, accumulation=3,
                                label_smoothing=0.1, class_weights=class_weights, class_weight_count=3) as run:
                run.step()
                close(self, "loss", run.metric("loss"), loss.item())
                self.assertEqual(run.metric("labels"), sum(label >= 0 for label in labels))
            block = reference.model.layers[0]
            for ours, theirs in {"heads.tags.weight": weight, "heads.tags.bias": bias,
                                 "layers.0.mlp.down.weight": block.mlp.down_proj.weight,
                                 "embedding.tokens.weight": reference.model.embed_tokens.weight}.items():
                close(self, "gradient", model.gradient(ours), theirs.grad.numpy())
            kept.destroy()


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=1).result
    print(", ".join(f"largest error of a {kind} {value:.2g}" for kind, value in worst.items()))
    sys.exit(not result.wasSuccessful())
