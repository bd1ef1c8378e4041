"""The same adapter here and in PEFT: logits, loss, gradients, AdamW steps, merged weights, and the
directories of adapters in both directions. LoRA, rsLoRA and DoRA without dropout, whose masks are
each library's own; over GPT-2 (one fused matrix, Conv1D), Llama (grouped heads) and Qwen2 (biases).

Tolerances: loss 1e-5 relative, logits 1e-4 absolute, gradients 1e-4 relative in norm, weights after
five AdamW steps 1e-4 of what they moved.
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
import peft  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()

LLAMA_MODULES = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def gpt2():
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=97, n_positions=40, n_embd=48, n_layer=2, n_head=4, resid_pdrop=0.0,
        embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0))


def llama_like(config, model):
    return model(config(
        vocab_size=101, hidden_size=64, intermediate_size=112, num_hidden_layers=2,
        num_attention_heads=8, num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1,
        eos_token_id=2))


FAMILIES = {
    "gpt2": (gpt2, ["c_attn", "c_proj", "c_fc"]),
    "gpt2 attention": (gpt2, ["attn.c_attn", "attn.c_proj"]),
    "llama": (lambda: llama_like(transformers.LlamaConfig, transformers.LlamaForCausalLM),
              LLAMA_MODULES),
    "llama q, v, up": (lambda: llama_like(transformers.LlamaConfig, transformers.LlamaForCausalLM),
                       ["q_proj", "v_proj", "up_proj"]),
    "qwen2": (lambda: llama_like(transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
              LLAMA_MODULES),
}
KINDS = {"LoRA": {}, "rsLoRA": {"use_rslora": True}, "DoRA": {"use_dora": True}}
CASES = [(family, kind) for family in FAMILIES for kind in KINDS]


def stir(parameters, scale):
    with torch.no_grad():
        for parameter in parameters:
            parameter.add_(scale * torch.randn_like(parameter))


def adapted_reference(family, kind):
    """A trunk, and PEFT's model over it with an adapter that does something."""
    torch.manual_seed(0)
    make, modules = FAMILIES[family]
    trunk = make().float()
    stir(trunk.parameters(), 0.05)
    config = peft.LoraConfig(task_type="CAUSAL_LM", r=6, lora_alpha=9, lora_dropout=0.0,
                             target_modules=list(modules), fan_in_fan_out="gpt2" in family,
                             **KINDS[kind])
    return trunk, config


def over(trunk, config):
    reference = peft.get_peft_model(trunk, config)
    stir((p for n, p in reference.named_parameters() if "lora_B" in n), 0.1)
    stir((p for n, p in reference.named_parameters() if "magnitude" in n), 0.1)
    return reference.eval()


def our_name(name):
    """base_model.model.transformer.h.0.attn.c_attn.lora_A.default.weight: ours."""
    parts = name.split(".")
    at = next(i for i, part in enumerate(parts) if part.startswith("lora_"))
    layer = next(part for part in parts if part.isdigit())
    module = parts[at - 1]
    if module == "c_proj":
        module = ".".join(parts[at - 2:at])
    kind = "lora_magnitude" if parts[at] == "lora_magnitude_vector" else parts[at]
    return f"layers.{layer}.{module}.{kind}"


def trainable(reference):
    return {our_name(n): p for n, p in reference.named_parameters() if p.requires_grad}


def batch_of(trunk, seed=1):
    generator = np.random.default_rng(seed)
    ids = generator.integers(0, trunk.config.vocab_size, (3, 33)).astype(np.int32)
    targets = np.full_like(ids, -100)
    targets[:, :-1] = ids[:, 1:]
    targets[0, :5] = -100
    return ids, targets


def torch_loss(model, ids, targets):
    logits = model(input_ids=torch.from_numpy(ids).long()).logits
    flat = torch.from_numpy(targets).long().reshape(-1)
    return logits, torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), flat, ignore_index=-100)


def forward_loss(model, ids, targets):
    model.forward(fst.Batch(rows=ids.shape[0], length=ids.shape[1], ids=ids, targets=targets))
    loss = model.loss()
    return loss.loss / loss.weight


class Parity(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.context = self.stack.enter_context(fst.Context(threads=1))

    def folder(self):
        return self.stack.enter_context(tempfile.TemporaryDirectory())

    def both(self, family, kind, **options):
        """PEFT's model, and ours with the adapter read from PEFT's directory."""
        trunk, config = adapted_reference(family, kind)
        base = self.folder()
        trunk.save_pretrained(base)
        reference = over(trunk, config)
        adapter = self.folder()
        reference.save_pretrained(adapter)
        model = self.stack.enter_context(fst.Model.load(self.context, base, **options))
        model.load_adapter(adapter)
        return reference, model, base

    def close_logits(self, model, expected):
        np.testing.assert_allclose(model.output("logits"), expected.detach().numpy(), atol=1e-4,
                                   rtol=1e-4)

    def relative(self, found, expected, tolerance, what):
        expected = np.asarray(expected, dtype=np.float64)
        error = np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-30)
        self.assertLessEqual(error, tolerance, what)

    def test_loss_and_gradients(self):
        for case in CASES:
            with self.subTest(case):
                reference, model, _ = self.both(*case)
                ids, targets = batch_of(reference)
                logits, loss = torch_loss(reference, ids, targets)
                loss.backward()
                ours = forward_loss(model, ids, targets)
                self.assertLessEqual(abs(ours - loss.item()), 1e-5 * abs(loss.item()))
                self.close_logits(model, logits)
                model.backward()
                expected = trainable(reference)
                names = [model.parameter_name(i) for i in range(model.parameter_count())]
                self.assertEqual({n for n in names if "lora" in n}, set(expected))
                for name, parameter in expected.items():
                    self.relative(np.array(model.gradient(name)), parameter.grad.numpy(), 1e-4, name)

    def test_bf16(self):
        """Coarse: bfloat16 has 8 bits; the reference is float32."""
        for case in (("gpt2", "LoRA"), ("gpt2", "DoRA"), ("llama", "LoRA")):
            with self.subTest(case):
                reference, model, _ = self.both(*case, dtype=fst.BF16)
                ids, targets = batch_of(reference)
                _, loss = torch_loss(reference, ids, targets)
                loss.backward()
                ours = forward_loss(model, ids, targets)
                model.backward()
                self.assertLessEqual(abs(ours - loss.item()), 5e-3 * abs(loss.item()))
                for name, parameter in trainable(reference).items():
                    self.relative(np.array(model.gradient(name)), parameter.grad.numpy(), 6e-2, name)

    def test_adamw_steps(self):
        for case in CASES:
            with self.subTest(case):
                reference, model, _ = self.both(*case)
                weights = trainable(reference)
                before = {name: p.detach().clone().numpy() for name, p in weights.items()}
                vectors = [p for p in weights.values() if p.dim() == 1]
                matrices = [p for p in weights.values() if p.dim() == 2]
                theirs = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1},
                                            {"params": vectors, "weight_decay": 0.0}],
                                           lr=1e-3, betas=(0.9, 0.95))
                ours = self.stack.enter_context(fst.Optimizer(
                    model, learning_rate=1e-3, beta1=0.9, beta2=0.95, weight_decay=0.1,
                    clip_norm=1.0))
                for step in range(5):
                    ids, targets = batch_of(reference, seed=step)
                    theirs.zero_grad()
                    torch_loss(reference, ids, targets)[1].backward()
                    norm = torch.nn.utils.clip_grad_norm_(weights.values(), 1.0)
                    theirs.step()
                    forward_loss(model, ids, targets)
                    model.backward()
                    self.assertLessEqual(abs(ours.step().gradient_norm - norm.item()),
                                         1e-4 * norm.item())
                for name, parameter in weights.items():
                    error = np.array(model.parameter(name)) - parameter.detach().numpy()
                    self.assertLessEqual(np.linalg.norm(error),
                                         1e-4 * np.linalg.norm(before[name]), name)

    def test_saved_directory(self):
        """What we make and save, PEFT loads over the same trunk and computes the same."""
        for family, kind in CASES:
            with self.subTest((family, kind)):
                trunk, config = adapted_reference(family, kind)
                base, saved = self.folder(), self.folder()
                trunk.save_pretrained(base)
                model = self.stack.enter_context(fst.Model.load(self.context, base))
                _, modules = FAMILIES[family]
                model.add_adapter(rank=5, alpha=7.5, dropout=0.1, modules=list(modules), module_count=len(modules),
                                  rank_stabilized=int(kind == "rsLoRA"),
                                  weight_decomposed=int(kind == "DoRA"))
                generator = np.random.default_rng(3)
                for index in range(model.parameter_count()):
                    name = model.parameter_name(index)
                    if "lora_B" in name or "lora_magnitude" in name:
                        value = model.parameter(name)
                        value += 0.1 * generator.standard_normal(value.shape).astype(np.float32)
                model.weights_changed()
                model.save_adapter(saved)
                again = peft.PeftModel.from_pretrained(trunk, saved).eval()
                settings = again.peft_config["default"]
                self.assertEqual((settings.r, settings.lora_alpha, settings.lora_dropout),
                                 (5, 7.5, 0.1))
                ids, targets = batch_of(again)
                logits, _ = torch_loss(again, ids, targets)
                model.forward(fst.Batch(rows=3, length=33, ids=ids), mode=fst.FORWARD_EVALUATE)
                self.close_logits(model, logits)
                # There and back again: the same bytes.
                once_more = self.stack.enter_context(fst.Model.load(self.context, base))
                once_more.load_adapter(saved)
                other = self.folder()
                once_more.save_adapter(other)
                for file in ("adapter_config.json", "adapter_model.safetensors"):
                    self.assertEqual((Path(saved) / file).read_bytes(),
                                     (Path(other) / file).read_bytes())

    def test_merged(self):
        for case in CASES:
            with self.subTest(case):
                reference, model, _ = self.both(*case)
                model.merge_adapter()
                merged = self.folder()
                model.save(None, merged)
                ours = transformers.AutoModelForCausalLM.from_pretrained(merged)
                theirs = reference.merge_and_unload()
                for name, value in theirs.named_parameters():
                    self.relative(dict(ours.named_parameters())[name].detach().numpy(),
                                  value.detach().numpy(), 1e-6, name)

    def test_initial_scale(self):
        """Our A is drawn from PEFT's distribution: the same bound, the same variance."""
        trunk, config = adapted_reference("llama", "LoRA")
        base = self.folder()
        trunk.save_pretrained(base)
        model = self.stack.enter_context(fst.Model.load(self.context, base))
        model.add_adapter(rank=64)
        reference = peft.get_peft_model(trunk, peft.LoraConfig(r=64, target_modules=LLAMA_MODULES))
        for name, value in trainable(reference).items():
            ours, theirs = np.array(model.parameter(name)), value.detach().numpy()
            if name.endswith("lora_B"):
                self.assertFalse(ours.any() or theirs.any())
            else:
                self.assertLessEqual(abs(ours).max(), 1 / np.sqrt(ours.shape[1]))
                self.assertLess(abs(ours.std() / theirs.std() - 1), 0.05)

    def test_refused(self):
        """What PEFT can do and this library does not is named."""
        trunk, _ = adapted_reference("llama", "LoRA")
        base = self.folder()
        trunk.save_pretrained(base)
        model = self.stack.enter_context(fst.Model.load(self.context, base))
        for changes in ({"rank_pattern": {"q_proj": 4}}, {"alpha_pattern": {"q_proj": 4}},
                        {"bias": "all"}, {"layers_to_transform": [0]}, {"lora_bias": True},
                        {"modules_to_save": ["lm_head"]}, {"exclude_modules": ["k_proj"]},
                        {"target_modules": ["q_proj", "lm_head"]},
                        {"init_lora_weights": "pissa_niter_4"}):
            with self.subTest(changes):
                torch.manual_seed(0)
                settings = {"r": 4, "target_modules": LLAMA_MODULES, **changes}
                folder = self.folder()
                # Its own file: some of these PEFT itself would not build over this model.
                config = peft.LoraConfig(task_type="CAUSAL_LM", r=4, target_modules=["q_proj"])
                config.save_pretrained(folder)
                path = Path(folder) / "adapter_config.json"
                written = json.loads(path.read_text())
                written.update(settings)
                path.write_text(json.dumps(written))
                with self.assertRaises(fst.UnsupportedError) as caught:
                    model.load_adapter(folder)
                self.assertIn(next(iter(changes)), str(caught.exception))


if __name__ == "__main__":
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    unittest.main()
