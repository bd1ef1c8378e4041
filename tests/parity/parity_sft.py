"""Finetuning against PyTorch: the loss of packed conversations, where the answers alone count and rows
hold several, and of a head over padded texts, with each objective; losses, gradients and a run's steps.

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
LETTERS = "abcdefghijklmno\n"
EXAMPLES, OUTPUTS, CONTEXT = 18, 3, 48
rng = np.random.default_rng(5)
worst = {"loss": 0, "gradient": 0}


def texts(count, most):
    return ["".join(rng.choice(list(LETTERS[:-1]), rng.integers(1, most + 1))) for _ in range(count)]


def close(test, kind, got, expected):
    got, expected = np.asarray(got, "float64"), np.asarray(expected, "float64")
    error = np.linalg.norm(got - expected) / max(np.linalg.norm(expected), 1e-30)
    worst[kind] = max(worst[kind], error)
    test.assertLessEqual(error, LOSS if kind == "loss" else GRADIENT, kind)


class Parity(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.context = self.stack.enter_context(fst.Context(threads=1, seed=3))
        self.tokenizer = self.stack.enter_context(fst.Tokenizer.train_texts(
            self.context, [LETTERS], kind=fst.TOKENIZER_CHARACTER, special_tokens=["<end>"], special_token_count=1))
        self.tokenizer.set_special_id(fst.TOKEN_EOS, 16)
        torch.manual_seed(0)
        self.reference = transformers.LlamaForCausalLM(transformers.LlamaConfig(
            vocab_size=17, hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, max_position_embeddings=CONTEXT, bos_token_id=0, eos_token_id=16)).eval()
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        self.reference.save_pretrained(folder)
        self.model = self.stack.enter_context(fst.Model.load(self.context, folder))

    def gradients(self, names):
        """Ours by our names against PyTorch's by its own."""
        for ours, theirs in names.items():
            close(self, "gradient", self.model.gradient(ours), theirs.grad.numpy())

    def trunk(self):
        block = self.reference.model.layers[0]
        return {"layers.0.mlp.down.weight": block.mlp.down_proj.weight,
                "layers.1.attention.output.weight": self.reference.model.layers[1].self_attn.o_proj.weight,
                "embedding.tokens.weight": self.reference.model.embed_tokens.weight}

    # ---- conversations

    def test_conversations(self):
        contents = texts(2 * EXAMPLES, 7)
        talks = fst.Dataset.from_conversations(self.context, self.tokenizer, [
            [("user", question), ("assistant", answer)]
            for question, answer in zip(contents[::2], contents[1::2])])
        packed = talks.pack(length=CONTEXT, mode=fst.PACK_BEST_FIT, cross_documents=0)
        rows = packed.get_info().rows
        run = fst.sft_create(model=self.model, train=packed, rows=rows, shuffle=0)
        # Each conversation alone, the loss over the answers' ids and the end token behind them.
        total, count = 0, 0
        for question, answer in zip(contents[::2], contents[1::2]):
            prompt = self.tokenizer.encode(question)
            ids = torch.tensor([*prompt, *self.tokenizer.encode(answer), 16]).long()
            logits = self.reference(input_ids=ids[None]).logits[0, :-1]
            targets = ids[1:].clone()
            targets[:len(prompt) - 1] = -100
            total = total + F.cross_entropy(logits, targets, ignore_index=-100, reduction="sum")
            count += int((targets >= 0).sum())
        loss = total / count
        loss.backward()
        self.assertEqual(packed.get_info().targets, count)
        ids, targets, positions, documents = (np.empty((rows, CONTEXT), "int32") for _ in range(4))
        packed.read(0, rows, 0, ids, targets, positions, documents)
        self.model.forward(fst.Batch(rows=rows, length=CONTEXT, ids=ids, targets=targets,
                                     positions=positions, documents=documents))
        found = self.model.loss()
        close(self, "loss", found.loss / found.weight, loss.item())
        self.model.backward()
        self.gradients(self.trunk())
        self.model.zero_gradients()
        run.step()
        close(self, "loss", run.metric("loss"), loss.item())

    # ---- labels

    def head(self, labels, objective, torch_loss, **options):
        """The first step's loss and gradients of a run against the reference over single texts."""
        written = texts(EXAMPLES, 40)
        self.model.add_head(name="label", outputs=OUTPUTS, init_std=0.3)
        weight, bias = (torch.nn.Parameter(torch.tensor(np.array(self.model.parameter(f"heads.label.{n}"))))
                        for n in ("weight", "bias"))
        data = fst.Dataset.from_labelled(self.context, self.tokenizer, written, labels)
        self.assertEqual(data.get_examples_info().examples, EXAMPLES)
        outputs = []
        for text in written:
            ids = torch.tensor(np.array(self.tokenizer.encode(text))).long()
            hidden = self.reference.model(input_ids=ids[None]).last_hidden_state
            outputs.append(F.linear(hidden[0, -1], weight, bias))
        outputs = torch.stack(outputs)
        loss = torch_loss(outputs, torch.tensor(labels))
        loss.backward()
        predicted = np.asarray(fst.sft_predict(self.model, "label", data, 5)).reshape(EXAMPLES, OUTPUTS)
        close(self, "loss", predicted, outputs.detach().numpy())
        kept = self.stack.enter_context(fst.Optimizer.create(self.model, keep_gradients=1, clip_norm=0))
        with fst.sft_create(model=self.model, optimizer=kept, train=data, head="label", rows=EXAMPLES // 3,
                            accumulation=3, objective=objective, **options) as run:
            run.step()
            close(self, "loss", run.metric("loss"), loss.item())
        self.gradients({**self.trunk(), "heads.label.weight": weight, "heads.label.bias": bias})

    def test_classes(self):
        labels = rng.integers(0, OUTPUTS, (EXAMPLES, 1)).astype("float32")
        weights = np.array([0.5, 2, 1])
        self.head(labels, fst.SFT_CROSS_ENTROPY, lambda z, y: F.cross_entropy(
            z, y[:, 0].long(), weight=torch.tensor(weights).float(), label_smoothing=0.1),
            label_smoothing=0.1, class_weights=weights, class_weight_count=OUTPUTS)

    def test_labels(self):
        labels = (rng.random((EXAMPLES, OUTPUTS)) < 0.4).astype("float32")
        labels[rng.random(labels.shape) < 0.2] = np.nan
        labels[:, 0] = 1
        weights = np.array([3, 1, 0.5])

        def loss(z, y):
            there = ~torch.isnan(y)
            each = F.binary_cross_entropy_with_logits(z, torch.nan_to_num(y), reduction="none",
                                                      pos_weight=torch.tensor(weights).float())
            return each[there].mean()

        self.head(labels, fst.SFT_BINARY, loss, class_weights=weights, class_weight_count=OUTPUTS)

    def test_numbers(self):
        labels = rng.normal(size=(EXAMPLES, OUTPUTS)).astype("float32")
        labels[rng.random(labels.shape) < 0.2] = np.nan
        labels[:, 1] = 0.5

        def loss(z, y):
            there = ~torch.isnan(y)
            return F.mse_loss(z[there], y[there])

        self.head(labels, fst.SFT_MSE, loss)


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=1).result
    print(", ".join(f"largest error of a {kind} {value:.2g}" for kind, value in worst.items()))
    sys.exit(not result.wasSuccessful())
