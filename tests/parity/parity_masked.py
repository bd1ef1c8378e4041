"""Masked language modelling against transformers' BertForMaskedLM: what a run masks, given to the reference,
has the run's loss, accuracy and gradient, over an accumulated step with padding; by ids and by whole words.

Tolerances: loss 1e-5 relative, gradients 1e-4 relative in norm.
"""
import contextlib
import sys
import tempfile
import unittest
from pathlib import Path

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
    import transformers
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "python"))
import fourstage as fst  # noqa: E402

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()
LOSS, GRADIENT = 1e-5, 1e-4
VOCABULARY, MASK, LENGTH, ROWS, PARTS, DOCUMENTS = 61, 4, 40, 6, 3, 50
rng = np.random.default_rng(11)


class Parity(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.context = self.stack.enter_context(fst.Context(threads=1, seed=3))
        torch.manual_seed(0)
        self.reference = transformers.BertForMaskedLM(transformers.BertConfig(
            vocab_size=VOCABULARY, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=LENGTH, hidden_dropout_prob=0, attention_probs_dropout_prob=0,
            initializer_range=0.2)).eval()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.reference.save_pretrained(folder)
        self.model = self.stack.enter_context(fst.Model.load(self.context, folder))
        # A document a row: none has room for a second one beside it.
        lengths = rng.integers(LENGTH // 2 + 1, LENGTH + 1, DOCUMENTS)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        # PyTorch gives row 0, the padding, no gradient from below.
        ids = rng.integers(1, VOCABULARY, offsets[-1]).astype("int32")
        data = self.stack.enter_context(fst.Dataset.from_tokens(self.context, ids, offsets, copy=1))
        self.train = self.stack.enter_context(data.pack(length=LENGTH, mode=fst.PACK_BEST_FIT, cross_documents=0))
        self.flags = np.zeros(VOCABULARY, "uint8")
        self.flags[:5] = fst.TOKEN_IS_SPECIAL
        self.flags[40:] = fst.TOKEN_CONTINUES_WORD

    def masked(self, position, whole_words):
        """Rows of a micro-batch as the run masks them: input, targets, which are no padding."""
        ids, documents, words, targets = (np.empty((ROWS, LENGTH), "int32") for _ in range(4))
        self.train.read(position, ROWS, 1, ids, None, None, documents)
        self.train.read_words(position, ROWS, 1, words)
        lengths = (words >= 0).sum(1).astype("int32")
        options = fst.MaskOptions(mask_id=MASK, vocabulary_size=VOCABULARY, whole_words=whole_words)
        options.flags, options.documents, options.lengths = self.flags, documents, lengths
        fst.mask_tokens(self.context, ids, ROWS, LENGTH, position, ids, targets, options)
        return ids, targets, words >= 0

    def step(self, whole_words):
        total, count, correct = 0, 0, 0
        for part in range(PARTS):
            ids, targets, there = self.masked(part * ROWS, whole_words)
            logits = self.reference(input_ids=torch.tensor(ids).long(),
                                    attention_mask=torch.tensor(there).long()).logits
            labels = torch.tensor(targets).long()
            total = total + F.cross_entropy(logits.view(-1, VOCABULARY), labels.view(-1), reduction="sum")
            count += int((labels >= 0).sum())
            correct += int(((logits.argmax(-1) == labels) & (labels >= 0)).sum())
        loss = total / count
        loss.backward()
        norm = torch.norm(torch.stack([p.grad.norm() for p in self.reference.parameters() if p.grad is not None]))
        return loss.item(), correct / count, count, norm.item()

    def check(self, whole_words):
        optimizer = self.stack.enter_context(fst.Optimizer.create(self.model, learning_rate=0))
        options = fst.PretrainOptions(
            rows=ROWS, accumulation=PARTS, objective=fst.PRETRAIN_MASKED, mask_id=MASK, whole_words=whole_words)
        options.model, options.optimizer, options.train = self.model, optimizer, self.train
        options.mask_flags = self.flags
        run = self.stack.enter_context(fst.pretrain_create(options))
        run.step()
        loss, accuracy, count, norm = self.step(whole_words)
        self.assertEqual(run.metric("tokens"), count)
        self.assertAlmostEqual(run.metric("masked_accuracy"), accuracy, places=12)
        self.assertLessEqual(abs(run.metric("loss") - loss) / loss, LOSS)
        self.assertLessEqual(abs(run.metric("gradient_norm") - norm) / norm, GRADIENT)
        print(f"{'words' if whole_words else 'ids':6} loss {loss:.6f}, off by {abs(run.metric('loss') - loss) / loss:.1e}; "
              f"gradient's norm off by {abs(run.metric('gradient_norm') - norm) / norm:.1e}; {count} masked")

    def test_ids(self):
        self.check(0)

    def test_whole_words(self):
        self.check(1)


if __name__ == "__main__":
    unittest.main()
