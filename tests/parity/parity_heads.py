"""Heads and the distribution's outputs against PyTorch, over GPT-2 and Llama: sequence heads by last,
first and mean token, token heads, log-probabilities and entropies at a temperature and with ids left
out, and the gradients of all of it in one backward; the classification classes of transformers.

Tolerances: values and losses 1e-5 relative, gradients 1e-4 relative in norm.
"""
import copy
import os
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import parity_model as base  # noqa: E402
from parity_model import fst, np, torch, transformers  # noqa: E402

CASES = ("gpt2", "gpt2 untied", "llama", "qwen3")
LENGTHS = [37, 21, 1, 30]
HEADS = {  # name: kind, pooling, outputs, bias
    "last": (fst.HEAD_SEQUENCE, fst.POOL_LAST, 1, 1),
    "first": (fst.HEAD_SEQUENCE, fst.POOL_FIRST, 3, 0),
    "mean": (fst.HEAD_SEQUENCE, fst.POOL_MEAN, 2, 1),
    "value": (fst.HEAD_TOKEN, 0, 1, 1),
    "tags": (fst.HEAD_TOKEN, 0, 4, 1),
}


class Trunk:
    """Our model as parity_model.named reads it: without the heads."""

    def __init__(self, model):
        names = (model.parameter_name(i) for i in range(model.parameter_count()))
        self.names = [name for name in names if not name.startswith("heads.")]
        self.get_config = model.get_config
        self.parameter_name = self.names.__getitem__

    def parameter_count(self):
        return len(self.names)


def inputs(vocabulary, seed=3):
    generator = np.random.default_rng(seed)
    shape = (len(LENGTHS), max(LENGTHS))
    ids = generator.integers(0, vocabulary, shape).astype(np.int32)
    targets = generator.integers(0, vocabulary, shape).astype(np.int32)
    targets[0, :5] = -100
    kept = generator.random((*shape, vocabulary)) < 0.4
    np.put_along_axis(kept, np.maximum(targets, 0)[..., None].astype(np.int64), True, axis=-1)
    return ids, targets, kept


def counts(targets):
    """[rows, length]: whether a position has a target and is no padding."""
    return (targets >= 0) & (np.arange(targets.shape[1]) < np.array(LENGTHS)[:, None])


class Reference:
    """The trunk of transformers, and heads beside it."""

    def __init__(self, name):
        self.model = base.reference_model(name)
        generator = torch.Generator().manual_seed(5)
        width = self.model.config.hidden_size
        self.weights = {}
        for head, (_, _, outputs, bias) in HEADS.items():
            shapes = {"weight": (outputs, width), "bias": (outputs,)}
            for kind in ("weight", "bias") if bias else ("weight",):
                value = 0.2 * torch.randn(shapes[kind], generator=generator)
                self.weights[f"heads.{head}.{kind}"] = value.requires_grad_()

    def outputs(self, ids, targets, kept, temperature):
        states = self.model(torch.from_numpy(ids).long(), output_hidden_states=True)
        hidden = states.hidden_states[-1]
        logits = states.logits / temperature
        if kept is not None:
            logits = logits.masked_fill(~torch.from_numpy(kept), float("-inf"))
        log_p = torch.log_softmax(logits, dim=-1)
        there = torch.from_numpy(counts(targets))
        index = torch.from_numpy(np.maximum(targets, 0)).long()
        of_targets = log_p.gather(-1, index[..., None])[..., 0]
        safe = log_p.masked_fill(torch.isinf(log_p), 0)
        zero = torch.zeros_like(of_targets)
        # where, not a product: ids left out may be the target of a position that does not count
        result = {"log_probabilities": torch.where(there, of_targets, zero),
                  "entropy": torch.where(there, -(log_p.exp() * safe).sum(-1), zero)}
        for head, (kind, pooling, _, _) in HEADS.items():
            x = hidden
            if kind == fst.HEAD_SEQUENCE:
                x = torch.stack([self.pool(hidden[r], LENGTHS[r], pooling)
                                 for r in range(len(LENGTHS))])
            result[head] = torch.nn.functional.linear(
                x, self.weights[f"heads.{head}.weight"], self.weights.get(f"heads.{head}.bias"))
        return result

    @staticmethod
    def pool(states, length, pooling):
        if pooling == fst.POOL_MEAN:
            return states[:length].mean(0)
        return states[length - 1 if pooling == fst.POOL_LAST else 0]


def coefficients(outputs, seed=11):
    generator = np.random.default_rng(seed)
    result = {}
    for name, value in outputs.items():
        result[name] = generator.standard_normal(tuple(value.shape)).astype(np.float32)
        if value.ndim >= 2 and value.shape[1] == max(LENGTHS):  # nothing of padding counts
            for row, length in enumerate(LENGTHS):
                result[name][row, length:] = 0
    return result


class Heads(unittest.TestCase):
    setUp = base.Parity.setUp
    load = base.Parity.load
    check_relative = base.Parity.check_relative

    def model_of(self, reference, **options):
        model = self.load(reference.model, **options)
        for name, (kind, pooling, outputs, bias) in HEADS.items():
            model.add_head(name=name, kind=kind, pooling=pooling, outputs=outputs, bias=bias)
        for name, value in reference.weights.items():
            model.parameter(name)[...] = value.detach().numpy()
        model.weights_changed()
        return model

    def forward(self, model, ids, targets, kept, temperature):
        packed = None if kept is None else np.packbits(kept, axis=-1, bitorder="little")
        batch = fst.Batch(rows=ids.shape[0], length=ids.shape[1], ids=ids, targets=targets,
                          lengths=np.array(LENGTHS, dtype=np.int32), kept=packed)
        model.forward(batch, temperature=temperature)

    def check_gradients(self, model, reference, tolerance=1e-4):
        for name, value in reference.weights.items():
            self.check_relative(np.array(model.gradient(name)), value.grad.numpy(), tolerance, name)
        found = base.named(Trunk(model), reference.model.config.model_type, model.gradient)
        expected = dict(reference.model.named_parameters())
        self.assertEqual(set(found), set(expected))
        for key, value in found.items():
            self.check_relative(value, expected[key].grad.numpy(), tolerance, key)

    def check_case(self, name, temperature, with_kept, with_loss):
        reference = Reference(name)
        model = self.model_of(reference)
        ids, targets, kept = inputs(reference.model.config.vocab_size)
        kept = kept if with_kept else None
        expected = reference.outputs(ids, targets, kept, temperature)
        given = coefficients(expected)
        objective = sum((torch.from_numpy(given[key]) * value).sum()
                        for key, value in expected.items())
        total = int(counts(targets).sum())
        nll = -expected["log_probabilities"].sum()
        if with_loss:
            objective = objective + nll / total
        objective.backward()
        self.forward(model, ids, targets, kept, temperature)
        for key, value in expected.items():
            found = np.array(model.output(key))
            self.assertEqual(found.shape, tuple(value.shape))
            mask = np.ones(found.shape, dtype=bool)
            if found.ndim >= 2 and found.shape[1] == max(LENGTHS):
                mask[np.arange(max(LENGTHS)) >= np.array(LENGTHS)[:, None]] = False
            self.check_relative(found[mask], value.detach().numpy()[mask], 1e-5, key)
            model.add_gradient(key, given[key])
        if with_loss:
            loss = model.loss()
            self.assertEqual(loss.tokens, total)
            self.assertLessEqual(abs(loss.loss - nll.item()), 1e-5 * abs(nll.item()))
        model.backward()
        self.check_gradients(model, reference)

    def test_outputs_and_gradients(self):
        for name in CASES:
            for temperature, kept, loss in ((1.0, False, True), (0.7, False, False),
                                            (1.6, True, False), (0.9, True, True)):
                with self.subTest((name, temperature, kept, loss)):
                    self.check_case(name, temperature, kept, loss)

    def test_bf16(self):
        """Coarse: bfloat16 has 8 bits; the reference is float32."""
        for name in ("gpt2", "llama"):
            with self.subTest(name):
                reference = Reference(name)
                model = self.model_of(reference, dtype=fst.BF16)
                ids, targets, _ = inputs(reference.model.config.vocab_size)
                expected = reference.outputs(ids, targets, None, 0.8)
                given = coefficients(expected)
                sum((torch.from_numpy(given[key]) * value).sum()
                    for key, value in expected.items()).backward()
                self.forward(model, ids, targets, None, 0.8)
                for key, value in expected.items():
                    self.check_relative(np.array(model.output(key)) * (given[key] != 0),
                                        value.detach().numpy() * (given[key] != 0), 3e-2, key)
                    model.add_gradient(key, given[key])
                model.backward()
                self.check_gradients(model, reference, tolerance=8e-2)

    def test_classification_classes(self):
        """transformers' own sequence and token classification over the same trunk."""
        classes = (("gpt2", transformers.GPT2ForSequenceClassification, "transformer", False),
                   ("llama", transformers.LlamaForSequenceClassification, "model", False),
                   ("llama", transformers.LlamaForTokenClassification, "model", True))
        for name, model_class, trunk, by_token in classes:
            with self.subTest(model_class.__name__):
                language_model = base.reference_model(name)
                config = copy.deepcopy(language_model.config)
                config.num_labels, config.pad_token_id = 5, 0
                torch.manual_seed(2)
                theirs = model_class(config).eval()
                getattr(theirs, trunk).load_state_dict(
                    getattr(language_model, trunk).state_dict())
                ours = self.load(language_model)
                ours.add_head(name="labels", outputs=5, bias=int(by_token),
                              kind=fst.HEAD_TOKEN if by_token else fst.HEAD_SEQUENCE)
                ours.parameter("heads.labels.weight")[...] = theirs.score.weight.detach().numpy()
                if by_token:
                    ours.parameter("heads.labels.bias")[...] = theirs.score.bias.detach().numpy()
                ours.weights_changed()
                ids, _, _ = inputs(config.vocab_size)
                ids[ids == 0] = 1
                inside = np.arange(ids.shape[1]) < np.array(LENGTHS)[:, None]
                ids[~inside] = 0
                logits = theirs(torch.from_numpy(ids).long(),
                                attention_mask=torch.from_numpy(inside).long()).logits
                logits.retain_grad()
                labels = torch.arange(logits.numel() // 5).reshape(logits.shape[:-1]) % 5
                if by_token:
                    labels[~torch.from_numpy(inside)] = -100
                torch.nn.functional.cross_entropy(logits.reshape(-1, 5),
                                                  labels.reshape(-1)).backward()
                ours.forward(fst.Batch(rows=ids.shape[0], length=ids.shape[1], ids=ids,
                                       lengths=np.array(LENGTHS, dtype=np.int32)))
                found = np.array(ours.output("labels"))
                mask = inside if by_token else slice(None)
                self.check_relative(found[mask], logits.detach().numpy()[mask], 1e-5, name)
                ours.backward("labels", logits.grad.numpy())
                self.check_relative(np.array(ours.gradient("heads.labels.weight")),
                                    theirs.score.weight.grad.numpy(), 1e-4, "score")
                norm = "ln_f" if trunk == "transformer" else "norm"
                self.check_relative(np.array(ours.gradient("norm.weight")),
                                    getattr(getattr(theirs, trunk), norm).weight.grad.numpy(),
                                    1e-4, "norm")
                self.check_relative(np.array(ours.gradient("layers.0.attention.norm.weight")),
                                    self.first_norm(theirs, trunk), 1e-4, "first layer")

    @staticmethod
    def first_norm(theirs, trunk):
        inner = getattr(theirs, trunk)
        norm = inner.h[0].ln_1 if trunk == "transformer" else inner.layers[0].input_layernorm
        return norm.weight.grad.numpy()


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    unittest.main()
