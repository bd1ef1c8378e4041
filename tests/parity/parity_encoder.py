"""Encoders here and in transformers, class by class: hidden states, the pooler's output, logits,
losses, each parameter's gradient, and directories in both directions.

Tolerances: outputs and losses 1e-5 relative in norm, gradients 1e-4.
"""
import contextlib
import json
import os
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "python"))

import fourstage as fst  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

LABELS = ["negative", "neutral", "positive"]
LENGTHS = [23, 9, 1, 17]
PAD = 1


def bert(**changes):
    sizes = dict(vocab_size=97, hidden_size=48, num_hidden_layers=3, num_attention_heads=4,
                 intermediate_size=80, max_position_embeddings=40, hidden_dropout_prob=0.0,
                 attention_probs_dropout_prob=0.0, pad_token_id=PAD)
    return transformers.BertConfig(**{**sizes, **changes})


def roberta(kind=transformers.RobertaConfig, **changes):
    sizes = dict(vocab_size=97, hidden_size=48, num_hidden_layers=2, num_attention_heads=4,
                 intermediate_size=80, max_position_embeddings=40, hidden_dropout_prob=0.0,
                 attention_probs_dropout_prob=0.0, pad_token_id=PAD, bos_token_id=0,
                 eos_token_id=2, type_vocab_size=1)
    return kind(**{**sizes, **changes})


def modern(**changes):
    sizes = dict(vocab_size=97, hidden_size=48, num_hidden_layers=5, num_attention_heads=4,
                 intermediate_size=40, max_position_embeddings=40, local_attention=8,
                 pad_token_id=PAD, bos_token_id=0, eos_token_id=2, cls_token_id=0, sep_token_id=2)
    return transformers.ModernBertConfig(**{**sizes, **changes})


T = transformers
CASES = {
    "bert": (T.BertModel, bert()),
    "bert masked": (T.BertForMaskedLM, bert()),
    "bert masked, relu, untied": (T.BertForMaskedLM, bert(hidden_act="relu", type_vocab_size=3,
                                                         tie_word_embeddings=False)),
    "bert masked, tanh gelu": (T.BertForMaskedLM, bert(hidden_act="gelu_new", layer_norm_eps=1e-3)),
    "bert pretraining": (T.BertForPreTraining, bert()),
    "bert sequence": (T.BertForSequenceClassification, bert()),
    "bert token": (T.BertForTokenClassification, bert()),
    "roberta": (T.RobertaModel, roberta()),
    "roberta masked": (T.RobertaForMaskedLM, roberta()),
    "roberta masked, untied": (T.RobertaForMaskedLM, roberta(tie_word_embeddings=False)),
    "roberta sequence": (T.RobertaForSequenceClassification, roberta(type_vocab_size=2)),
    "roberta token": (T.RobertaForTokenClassification, roberta()),
    "xlm-roberta masked": (T.XLMRobertaForMaskedLM, roberta(T.XLMRobertaConfig)),
    "xlm-roberta sequence": (T.XLMRobertaForSequenceClassification, roberta(T.XLMRobertaConfig)),
    "xlm-roberta token": (T.XLMRobertaForTokenClassification, roberta(T.XLMRobertaConfig)),
    "modernbert": (T.ModernBertModel, modern()),
    "modernbert masked": (T.ModernBertForMaskedLM, modern()),
    "modernbert masked, no decoder bias": (T.ModernBertForMaskedLM, modern(decoder_bias=False)),
    "modernbert masked, biases": (T.ModernBertForMaskedLM, modern(
        norm_bias=True, attention_bias=True, mlp_bias=True, classifier_bias=True)),
    "modernbert masked, untied": (T.ModernBertForMaskedLM, modern(
        tie_word_embeddings=False, global_attn_every_n_layers=2, local_attention=6)),
    "modernbert sequence": (T.ModernBertForSequenceClassification, modern()),
    "modernbert sequence, mean": (T.ModernBertForSequenceClassification, modern(
        classifier_pooling="mean", classifier_bias=True, norm_bias=True,
        classifier_activation="relu")),
    "modernbert token": (T.ModernBertForTokenClassification, modern()),
}


def reference_model(name):
    model_class, config = CASES[name]
    torch.manual_seed(0)
    config.id2label = dict(enumerate(LABELS))
    config.label2id = {label: i for i, label in enumerate(LABELS)}
    model = model_class(config).float()
    with torch.no_grad():  # away from the initial ones and zeros, larger than initial noise
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


def batch_of(config, seed=1):
    generator = np.random.default_rng(seed)
    shape = (len(LENGTHS), max(LENGTHS))
    ids = generator.integers(3, config.vocab_size, shape).astype(np.int32)
    inside = np.arange(shape[1]) < np.array(LENGTHS)[:, None]
    ids[~inside] = PAD
    kinds = getattr(config, "type_vocab_size", 0)
    types = generator.integers(0, kinds, shape).astype(np.int32) if kinds else None
    targets = np.where(inside & (generator.random(shape) < 0.4), ids, -100).astype(np.int32)
    targets[:, 0] = ids[:, 0]
    return ids, inside, types, targets


def is_unused(model, name):
    """Where weights are not tied a masked-LM head has two biases, and only the decoder's is added."""
    return not model.config.tie_word_embeddings and name in ("cls.predictions.bias", "lm_head.bias")


def theirs(model, ids, inside, types):
    inputs = dict(input_ids=torch.from_numpy(ids).long(),
                  attention_mask=torch.from_numpy(inside).long())
    if types is not None:
        inputs["token_type_ids"] = torch.from_numpy(types).long()
    return model(**inputs, output_hidden_states=True)


class Parity(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.context = self.stack.enter_context(fst.Context(threads=2))

    def folder(self):
        return self.stack.enter_context(tempfile.TemporaryDirectory())

    def load(self, folder, **options):
        return self.stack.enter_context(fst.Model.load(self.context, folder, **options))

    def check_relative(self, found, expected, tolerance, what):
        expected = np.asarray(expected, dtype=np.float64)
        error = np.linalg.norm(np.asarray(found) - expected) / max(np.linalg.norm(expected), 1e-30)
        self.assertLessEqual(error, tolerance, what)

    def gradients(self, model):
        """By transformers' names: saved in the place of the weights."""
        copy = self.stack.enter_context(model.copy())
        for index in range(model.parameter_count()):
            name = model.parameter_name(index)
            copy.parameter(name)[...] = np.array(model.gradient(name))
        folder = self.folder()
        copy.save(None, folder)
        return load_file(os.path.join(folder, "model.safetensors"))

    def check_gradients(self, model, reference):
        """All that the reference has; those of what it did not use are 0 here."""
        found = self.gradients(model)
        prefix = reference.base_model_prefix + "."
        checked = 0
        for name, parameter in reference.named_parameters():
            if is_unused(reference, name):
                continue
            key = name if name in found else name.removeprefix(prefix)
            if key not in found:  # tied
                self.assertIn(name, reference.all_tied_weights_keys)
                continue
            expected = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
            if float(expected.norm()) < 1e-9:
                self.assertLess(float(found[key].norm()), 1e-5, name)
                continue
            if name.endswith("key.bias"):  # in truth 0: a softmax does not see it
                self.assertLess(float((found[key] - expected).norm()), 1e-5, name)
                continue
            self.check_relative(found[key].numpy(), expected.numpy(), 1e-4, name)
            checked += 1
        self.assertGreater(checked, 10)

    def test_outputs_losses_and_gradients(self):
        for name in CASES:
            with self.subTest(name):
                self.check_case(name)

    def check_case(self, name):
        reference = reference_model(name)
        folder = self.folder()
        reference.save_pretrained(folder)
        model = self.load(folder)
        ids, inside, types, targets = batch_of(reference.config)
        out = theirs(reference, ids, inside, types)
        model.forward(fst.Batch(rows=ids.shape[0], length=ids.shape[1], ids=ids, targets=targets,
                                token_types=types, lengths=np.array(LENGTHS, dtype=np.int32)))
        hidden = out.last_hidden_state if "last_hidden_state" in out else out.hidden_states[-1]
        self.check_relative(model.output("hidden")[inside], hidden.detach().numpy()[inside], 1e-5,
                            "hidden")
        if getattr(out, "pooler_output", None) is not None:
            self.check_relative(model.output("pooled"), out.pooler_output.detach().numpy(), 1e-5,
                                "pooled")
        self.check_objective(name, model, reference, out, inside, targets)

    def check_objective(self, name, model, reference, out, inside, targets):
        loss = torch.zeros(())
        labels = torch.from_numpy(targets).long()
        rng = np.random.default_rng(5)
        if "prediction_logits" in out or "Masked" in type(reference).__name__:
            logits = out.prediction_logits if "prediction_logits" in out else out.logits
            self.check_relative(model.output("logits")[inside], logits.detach().numpy()[inside],
                                1e-5, "logits")
            masked = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten())
            ours = model.loss()
            self.assertEqual(ours.tokens, int((targets >= 0).sum()))
            self.assertLessEqual(abs(ours.loss / ours.weight - masked.item()), 1e-5 * masked.item())
            loss = loss + masked
        heads = {"classifier": out.get("logits") if "Classification" in type(reference).__name__
                 else None, "seq_relationship": out.get("seq_relationship_logits")}
        for head, logits in heads.items():
            if logits is None:
                continue
            by_token = logits.dim() == 3
            mask = inside if by_token else slice(None)
            self.check_relative(model.output(head)[mask], logits.detach().numpy()[mask], 1e-5, head)
            gold = torch.arange(logits[..., 0].numel()).reshape(logits.shape[:-1]) % logits.shape[-1]
            if by_token:
                gold[~torch.from_numpy(inside)] = -100
            logits.retain_grad()
            one = torch.nn.functional.cross_entropy(logits.flatten(0, -2), gold.flatten())
            ours, gradient = self.class_loss(model.output(head)[mask], gold[mask])
            self.assertLessEqual(abs(ours - one.item()), 1e-5 * one.item())
            full = np.zeros(tuple(logits.shape), dtype=np.float32)
            full[mask] = gradient
            model.add_gradient(head, full)
            loss = loss + one
        if name in ("bert", "roberta", "modernbert"):
            given = rng.standard_normal(out.last_hidden_state.shape).astype(np.float32)
            given[~inside] = 0
            loss = loss + (torch.from_numpy(given) * out.last_hidden_state).sum()
            model.add_gradient("hidden", given)
            if out.get("pooler_output") is not None:
                given = rng.standard_normal(out.pooler_output.shape).astype(np.float32)
                loss = loss + (torch.from_numpy(given) * out.pooler_output).sum()
                model.add_gradient("pooled", given)
        loss.backward()
        model.backward()
        self.check_gradients(model, reference)

    @staticmethod
    def class_loss(logits, gold):
        """Mean cross entropy and its gradient, in double."""
        logits = np.array(logits, dtype=np.float64).reshape(-1, logits.shape[-1])
        gold = np.array(gold).reshape(-1)
        p = np.exp(logits - logits.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        rows = np.arange(len(gold))
        loss = -np.log(p[rows, gold]).mean()
        p[rows, gold] -= 1
        return loss, (p / len(gold)).astype(np.float32)

    def test_directories(self):
        """What is written here transformers loads with every tensor and no other, and the other way
        about, to the bit."""
        for name, (model_class, _) in CASES.items():
            with self.subTest(name):
                reference = reference_model(name)
                theirs_folder, ours_folder = self.folder(), self.folder()
                reference.save_pretrained(theirs_folder)
                self.load(theirs_folder).save(None, ours_folder)
                config = json.loads(Path(ours_folder, "config.json").read_text())
                if not name.startswith("xlm"):
                    self.assertEqual(config["architectures"], [model_class.__name__])
                self.assertFalse(Path(ours_folder, "heads.safetensors").exists())
                self.check_loads(model_class, ours_folder, reference)
                again = self.folder()
                self.load(ours_folder).save(None, again)
                for file in ("config.json", "model.safetensors"):
                    self.assertEqual(Path(ours_folder, file).read_bytes(),
                                     Path(again, file).read_bytes())

    def check_loads(self, model_class, folder, reference):
        config_class = type(reference.config)
        loaded, told = model_class.from_pretrained(
            folder, config=config_class.from_pretrained(folder), output_loading_info=True)
        for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
            self.assertFalse(told[what], what)
        expected, found = reference.state_dict(), loaded.state_dict()
        self.assertEqual(set(expected), set(found))
        for key, value in expected.items():
            if not is_unused(reference, key):
                self.assertTrue(torch.equal(value, found[key]), key)
        if "Classification" in model_class.__name__:
            self.assertEqual(loaded.config.id2label, dict(enumerate(LABELS)))
            self.assertEqual(loaded.config.label2id, {l: i for i, l in enumerate(LABELS)})
        ids, inside, types, _ = batch_of(reference.config)
        for a, b in zip(theirs(reference, ids, inside, types).hidden_states,
                        theirs(loaded.eval(), ids, inside, types).hidden_states):
            self.assertTrue(torch.equal(a, b))

    def test_labels(self):
        reference = reference_model("bert token")
        folder = self.folder()
        reference.save_pretrained(folder)
        model = self.load(folder)
        self.assertEqual([model.get_label("classifier", i) for i in range(3)], LABELS)

    def test_older_files(self):
        """gamma and beta, buffers of positions, the prefix left out or there."""
        for prefix in ("bert.", ""):
            for older in (False, True):
                with self.subTest((prefix, older)):
                    reference = reference_model("bert")
                    folder = self.folder()
                    reference.save_pretrained(folder)
                    tensors = {}
                    for key, value in load_file(os.path.join(folder, "model.safetensors")).items():
                        if older and "LayerNorm" in key:
                            key = key.replace("weight", "gamma").replace("bias", "beta")
                        tensors[prefix + key] = value
                    tensors[prefix + "embeddings.position_ids"] = torch.arange(40)[None]
                    save_file(tensors, os.path.join(folder, "model.safetensors"),
                              metadata={"format": "pt"})
                    again = self.folder()
                    self.load(folder).save(None, again)
                    self.check_loads(T.BertModel, again, reference)

    def test_beside_a_classifier(self):
        """A masked-LM head and other heads beside the classifier are kept here, and transformers
        sees its class alone."""
        for name, wanted in (("bert pretraining", T.BertForSequenceClassification),
                             ("roberta masked, untied", T.RobertaForSequenceClassification),
                             ("modernbert masked", T.ModernBertForTokenClassification)):
            with self.subTest(name):
                reference = reference_model(name)
                folder, again = self.folder(), self.folder()
                reference.save_pretrained(folder)
                model = self.load(folder)
                model.add_head(name="other", outputs=2, pooling=fst.POOL_MEAN)
                kind = dict(name="classifier", outputs=3, pooling=fst.POOL_FIRST,
                            hidden_layers=1, activation=fst.ACTIVATION_TANH)
                if "pretraining" in name:
                    kind = dict(name="classifier", outputs=3, pooling=fst.POOL_POOLER)
                if "modernbert" in name:
                    kind = dict(name="classifier", outputs=3, kind=fst.HEAD_TOKEN, hidden_layers=1,
                                activation=fst.ACTIVATION_GELU, layer_norm=1, hidden_bias=0)
                model.add_head(**kind)
                model.save(None, again)
                loaded, told = wanted.from_pretrained(again, output_loading_info=True)
                for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
                    self.assertFalse(told[what], what)
                back = self.load(again)
                self.assertEqual(back.parameter_count(), model.parameter_count())
                for index in range(model.parameter_count()):
                    parameter = model.parameter_name(index)
                    self.assertEqual(back.parameter_name(index), parameter)
                    np.testing.assert_array_equal(back.parameter(parameter),
                                                  model.parameter(parameter))
                back.copy_weights(model)

    def test_refused(self):
        for changes, word in ((dict(is_decoder=True), "is_decoder"),
                              (dict(hidden_act="mish"), "hidden_act"),
                              (dict(position_embedding_type="relative_key"),
                               "position_embedding_type")):
            with self.subTest(word):
                folder = self.folder()
                reference_model("bert").save_pretrained(folder)
                path = Path(folder, "config.json")
                path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
                with self.assertRaises(fst.UnsupportedError) as raised:
                    self.load(folder)
                self.assertIn(word, str(raised.exception))


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    unittest.main()
