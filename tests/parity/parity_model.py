"""The same weights and batch here and in transformers: logits, loss, each parameter's gradient, five
AdamW steps, and the directories of each family in both directions.

Tolerances: loss 1e-5 relative, gradients 1e-4 relative in norm, logits 1e-4 absolute, weights after
five AdamW steps 1e-4 of what they moved.
"""
import contextlib
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

torch.set_num_threads(2)
transformers.logging.set_verbosity_error()
transformers.utils.logging.disable_progress_bar()


def gpt2(**changes):
    sizes = dict(vocab_size=97, n_positions=40, n_embd=48, n_layer=3, n_head=4,
                 resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=0, eos_token_id=0)
    return transformers.GPT2LMHeadModel, transformers.GPT2Config(**{**sizes, **changes})


def llama_like(kind, **changes):
    sizes = dict(vocab_size=101, hidden_size=64, intermediate_size=112, num_hidden_layers=2,
                 num_attention_heads=8, num_key_value_heads=2, max_position_embeddings=64,
                 bos_token_id=1, eos_token_id=2)
    config, model = {
        "llama": (transformers.LlamaConfig, transformers.LlamaForCausalLM),
        "mistral": (transformers.MistralConfig, transformers.MistralForCausalLM),
        "qwen2": (transformers.Qwen2Config, transformers.Qwen2ForCausalLM),
        "qwen3": (transformers.Qwen3Config, transformers.Qwen3ForCausalLM),
    }[kind]
    return model, config(**{**sizes, **changes})


def rope(kind, **more):
    return {"rope_parameters": {"rope_type": kind, "rope_theta": 10000.0, **more}}


CASES = {
    "gpt2": gpt2(),
    "gpt2 wider": gpt2(vocab_size=1031, n_positions=160, n_embd=192, n_layer=2, n_head=6),
    "gpt2 gelu, narrow mlp": gpt2(activation_function="gelu", n_inner=56),
    "gpt2 untied": gpt2(tie_word_embeddings=False),
    "llama": llama_like("llama"),
    "llama wider": llama_like("llama", vocab_size=1500, hidden_size=256, intermediate_size=688,
                              num_attention_heads=4, num_key_value_heads=4,
                              max_position_embeddings=192),
    "llama tied, biases": llama_like("llama", tie_word_embeddings=True, attention_bias=True,
                                     mlp_bias=True),
    "llama head_dim": llama_like("llama", head_dim=16),
    "llama linear": llama_like("llama", **rope("linear", factor=4.0)),
    "llama llama3": llama_like("llama", **rope(
        "llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=16)),
    "llama yarn": llama_like("llama", **rope("yarn", factor=4.0,
                                             original_max_position_embeddings=16)),
    "mistral window": llama_like("mistral", sliding_window=7, attn_implementation="eager"),
    "qwen2": llama_like("qwen2"),
    "qwen3": llama_like("qwen3", head_dim=16),
}


def reference_model(name):
    torch.manual_seed(0)
    model_class, config = CASES[name]
    model = model_class(config).float()
    with torch.no_grad():  # away from the initial ones and zeros, larger than initial noise
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return model.eval()


def batch_of(model, rows=3, seed=1):
    config = model.config
    length = min(config.max_position_embeddings, 128) - 3
    generator = np.random.default_rng(seed)
    ids = generator.integers(0, config.vocab_size, (rows, length)).astype(np.int32)
    targets = np.full_like(ids, -100)
    targets[:, :-1] = ids[:, 1:]
    targets[0, :5] = -100
    return ids, targets


def torch_loss(model, ids, targets):
    logits = model(torch.from_numpy(ids).long()).logits
    flat = torch.from_numpy(targets).long().reshape(-1)
    return logits, torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]), flat, ignore_index=-100)


def our_step(model, ids, targets):
    forward_loss(model, ids, targets)
    model.backward()


def forward_loss(model, ids, targets):
    batch = fst.Batch(rows=ids.shape[0], length=ids.shape[1], ids=ids, targets=targets)
    model.forward(batch)
    loss = model.loss()
    return loss.loss / loss.weight


def named(model, family, read):
    """Our arrays under the reference's names."""
    config = model.get_config()
    result = {}
    heads, kv, size = config.heads, config.kv_heads, config.head_size
    for index in range(model.parameter_count()):
        name = model.parameter_name(index)
        value = np.array(read(name))
        if family == "gpt2":
            result[gpt2_name(name)] = value.T if value.ndim == 2 and "layers" in name else value
            continue
        for key, rows in llama_names(name, heads * size, kv * size, config.hidden_size):
            result[key] = value[rows]
    return result


def gpt2_name(name):
    for ours, theirs in (("embedding.tokens", "transformer.wte"),
                         ("embedding.positions", "transformer.wpe"),
                         ("layers.", "transformer.h."), ("attention.norm", "ln_1"),
                         ("attention.qkv", "attn.c_attn"), ("attention.output", "attn.c_proj"),
                         ("mlp.norm", "ln_2"), ("mlp.up", "mlp.c_fc"),
                         ("mlp.down", "mlp.c_proj"), ("head.", "lm_head.")):
        name = name.replace(ours, theirs)
    return "transformer.ln_f." + name[5:] if name.startswith("norm.") else name


def llama_names(name, queries, keys, hidden):
    kind = name.rsplit(".", 1)[1]
    layer = "model." + ".".join(name.split(".")[:2]) + "."
    if "attention.qkv" in name:
        attention = layer + "self_attn."
        yield attention + "q_proj." + kind, slice(0, queries)
        yield attention + "k_proj." + kind, slice(queries, queries + keys)
        yield attention + "v_proj." + kind, slice(queries + keys, queries + 2 * keys)
    elif "mlp.gate_up" in name:
        yield layer + "mlp.gate_proj." + kind, slice(0, hidden)
        yield layer + "mlp.up_proj." + kind, slice(hidden, 2 * hidden)
    else:
        everything = slice(None)
        if name.startswith("layers."):
            rest = name.split(".", 2)[2]
            for ours, theirs in (("attention.norm", "input_layernorm"),
                                 ("attention.query_norm", "self_attn.q_norm"),
                                 ("attention.key_norm", "self_attn.k_norm"),
                                 ("attention.output", "self_attn.o_proj"),
                                 ("mlp.norm", "post_attention_layernorm"),
                                 ("mlp.down", "mlp.down_proj")):
                rest = rest.replace(ours, theirs)
            yield layer + rest, everything
        else:
            yield {"embedding.tokens.weight": "model.embed_tokens.weight",
                   "norm.weight": "model.norm.weight",
                   "head.weight": "lm_head.weight"}[name], everything


class Parity(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.context = self.stack.enter_context(fst.Context(threads=2))

    def load(self, reference, **options):
        folder = self.stack.enter_context(tempfile.TemporaryDirectory())
        reference.save_pretrained(folder)
        return self.stack.enter_context(fst.Model.load(self.context, folder, **options))

    def check_relative(self, found, expected, tolerance, what):
        expected = np.asarray(expected, dtype=np.float64)
        error = np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-30)
        self.assertLessEqual(error, tolerance, what)

    def test_loss_and_gradients(self):
        for name in CASES:
            with self.subTest(name):
                reference = reference_model(name)
                model = self.load(reference)
                ids, targets = batch_of(reference)
                logits, loss = torch_loss(reference, ids, targets)
                loss.backward()
                ours = forward_loss(model, ids, targets)
                self.assertLessEqual(abs(ours - loss.item()), 1e-5 * abs(loss.item()))
                np.testing.assert_allclose(model.output("logits"), logits.detach().numpy(),
                                           atol=1e-4, rtol=1e-4)
                model.backward()
                gradients = named(model, reference.config.model_type, model.gradient)
                expected = dict(reference.named_parameters())
                self.assertEqual(set(gradients), set(expected))
                for key, value in gradients.items():
                    self.check_relative(value, expected[key].grad.numpy(), 1e-4, key)

    def test_bf16(self):
        """Coarse: bfloat16 has 8 bits; the reference is float32."""
        for name in ("gpt2 wider", "llama wider"):
            with self.subTest(name):
                reference = reference_model(name)
                model = self.load(reference, dtype=fst.BF16)
                ids, targets = batch_of(reference)
                _, loss = torch_loss(reference, ids, targets)
                loss.backward()
                ours = forward_loss(model, ids, targets)
                model.backward()
                self.assertLessEqual(abs(ours - loss.item()), 2e-3 * abs(loss.item()))
                gradients = named(model, reference.config.model_type, model.gradient)
                for key, value in dict(reference.named_parameters()).items():
                    self.check_relative(gradients[key], value.grad.numpy(), 5e-2, key)

    def test_saved_directory(self):
        for name in CASES:
            with self.subTest(name):
                reference = reference_model(name)
                model = self.load(reference)
                folder = self.stack.enter_context(tempfile.TemporaryDirectory())
                model.save(None, folder)
                again = transformers.AutoModelForCausalLM.from_pretrained(folder).eval()
                self.assertEqual(type(again), type(reference))
                ids, _ = batch_of(reference)
                with torch.no_grad():
                    tokens = torch.from_numpy(ids).long()
                    np.testing.assert_allclose(again(tokens).logits.numpy(),
                                               reference(tokens).logits.numpy(), atol=1e-6)

    def test_five_adamw_steps(self):
        for name in ("gpt2", "llama", "qwen3"):
            with self.subTest(name):
                reference = reference_model(name)
                model = self.load(reference)
                before = {key: value.detach().clone().numpy()
                          for key, value in reference.named_parameters()}
                self.train_both(reference, model)
                weights = named(model, reference.config.model_type, model.parameter)
                for key, value in reference.named_parameters():
                    error, start = value.detach().numpy() - weights[key], before[key]
                    if key.endswith("c_attn.bias"):
                        # Softmax cancels a bias on keys: its gradient is 0 but for rounding, which
                        # AdamW blows up to whole steps, in either library its own.
                        width = len(error) // 3
                        error[width:2 * width] = 0
                    self.assertLessEqual(np.linalg.norm(error), 1e-4 * np.linalg.norm(start), key)

    def test_greedy_generation(self):
        for name in CASES:
            with self.subTest(name):
                reference = reference_model(name)
                model = self.load(reference)
                policy = self.stack.enter_context(fst.Policy(model))
                ids, _ = batch_of(reference, rows=4)
                prompts = [ids[0, :1], ids[1, :5], ids[2, :17], ids[3, :24]]
                policy.generate(prompts, max_new_tokens=12, temperature=0, ignore_end=1)
                for index, prompt in enumerate(prompts):
                    tokens = torch.from_numpy(prompt[None]).long()
                    with torch.no_grad():
                        expected = reference.generate(
                            tokens, attention_mask=torch.ones_like(tokens), do_sample=False,
                            max_new_tokens=12, eos_token_id=None, pad_token_id=0)
                    found = policy.get_result(index)
                    self.assertEqual(list(found.ids[:found.count]),
                                     expected[0, len(prompt):].tolist(), name)

    def train_both(self, reference, model):
        matrices = [p for p in reference.parameters() if p.dim() == 2]
        vectors = [p for p in reference.parameters() if p.dim() == 1]
        theirs = torch.optim.AdamW([{"params": matrices, "weight_decay": 0.1},
                                    {"params": vectors, "weight_decay": 0.0}],
                                   lr=1e-3, betas=(0.9, 0.95))
        ours = self.stack.enter_context(fst.Optimizer(
            model, learning_rate=1e-3, beta1=0.9, beta2=0.95, weight_decay=0.1, clip_norm=1.0))
        for step in range(5):
            ids, targets = batch_of(reference, seed=step)
            theirs.zero_grad()
            torch_loss(reference, ids, targets)[1].backward()
            norm = torch.nn.utils.clip_grad_norm_(reference.parameters(), 1.0)
            theirs.step()
            our_step(model, ids, targets)
            report = ours.step()
            self.assertLessEqual(abs(report.gradient_norm - norm.item()), 1e-4 * norm.item())


if __name__ == "__main__":
    unittest.main()
