"""Networks for control here and in PyTorch: outputs, each parameter's gradient, files, first values.

Tolerances: outputs 1e-5 relative in norm, gradients 1e-4.
"""
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from parity_model import fst, np, torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from torch import nn  # noqa: E402

torch.set_num_threads(1)
ROWS, INPUTS, LENGTH = 70, 5, 6
ACTIVATIONS = {fst.ACTIVATION_TANH: nn.Tanh, fst.ACTIVATION_RELU: nn.ReLU, fst.ACTIVATION_SILU: nn.SiLU,
               fst.ACTIVATION_GELU: nn.GELU}


def distance(ours, theirs):
    theirs = theirs.detach().numpy()
    return np.linalg.norm(ours - theirs) / max(np.linalg.norm(theirs), 1e-30)


def config(family, **fields):
    made = fst.ModelConfig()
    made.set_family(family)
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def mlp_tower(activation):
    kind = ACTIVATIONS[activation]
    return nn.Sequential(nn.Linear(INPUTS, 24), kind(), nn.Linear(24, 24), kind(), nn.Linear(24, 24), kind())


def cnn_tower(atari, size, outputs):
    if atari:
        layers = [nn.Conv2d(4, 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU(),
                  nn.Conv2d(64, 64, 3, 1), nn.ReLU()]
    else:
        layers = [nn.Conv2d(4, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
                  nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()]
    flat = nn.Sequential(*layers, nn.Flatten())
    features = flat(torch.zeros(1, 4, *size)).shape[1]
    return nn.Sequential(*flat, nn.Linear(features, outputs), nn.ReLU())


class Control(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(3)
        self.context = fst.Context(threads=2)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def heads(self, ours, towers):
        ours.add_head(name="policy", outputs=3, tower=1 if towers == 2 else 0, init_std=0.3)
        ours.add_head(name="value", outputs=1, tower=2 if towers == 2 else 0, init_std=0.3)
        ours.add_head(name="log_std", kind=fst.HEAD_CONSTANT, outputs=3, init_bias=-0.5)

    def check_towers(self, made, batch, x, towers, names):
        """names: of the linear and convolution layers of a tower, in PyTorch's order."""
        ours = fst.Model(self.context, made)
        self.heads(ours, len(towers))
        for index in range(ours.parameter_count()):
            weight = ours.parameter(ours.parameter_name(index))
            weight += 0.05 * np.random.default_rng(index).standard_normal(weight.shape).astype("f")
        ours.save(None, self.folder.name)
        saved = load_file(Path(self.folder.name) / "model.safetensors")
        theirs = {}
        for t, tower in enumerate(towers):
            layers = [layer for layer in tower if hasattr(layer, "weight")]
            self.assertEqual(len(layers), len(names))
            for name, layer in zip(names, layers):
                for what in ("weight", "bias"):
                    key = f"towers.{t}.{name}.{what}"
                    self.assertEqual(saved[key].shape, getattr(layer, what).shape, key)
                    getattr(layer, what).data.copy_(saved[key])
                    theirs[key] = getattr(layer, what)
        self.assertEqual(set(theirs), set(saved))
        heads = {name: {what: torch.tensor(np.array(ours.parameter(f"heads.{name}.{what}")), requires_grad=True)
                        for what in ("weight", "bias")} for name in ("policy", "value")}
        hidden = [tower(x) for tower in towers]
        read = {"policy": hidden[0], "value": hidden[-1]}
        outputs = {name: nn.functional.linear(read[name], **heads[name]) for name in heads}
        ours.forward(batch, mode=fst.FORWARD_TRAIN)
        self.assertLess(distance(ours.output("hidden"), torch.cat(hidden, 1).unsqueeze(1)), 1e-5)
        loss = 0
        for name, value in outputs.items():
            self.assertLess(distance(ours.output(name), value), 1e-5)
            direction = torch.randn_like(value)
            loss = loss + (value * direction).sum()
            ours.add_gradient(name, np.ascontiguousarray(direction.numpy()))
        log_std = np.arange(3, dtype="f").reshape(1, 3)
        ours.add_gradient("log_std", log_std)
        loss.backward()
        ours.backward(None, None)
        self.assertTrue((ours.gradient("heads.log_std.bias") == log_std[0]).all())
        for name in heads:
            for what in ("weight", "bias"):
                self.assertLess(distance(ours.gradient(f"heads.{name}.{what}"), heads[name][what].grad), 1e-4)
        for index in range(ours.parameter_count()):  # in the layout of files
            name = ours.parameter_name(index)
            ours.parameter(name)[...] = ours.gradient(name)
        ours.save(None, self.folder.name)
        for key, found in load_file(Path(self.folder.name) / "model.safetensors").items():
            self.assertLess(distance(found.numpy(), theirs[key].grad), 1e-4, key)

    def test_mlp(self):
        x = torch.randn(ROWS, INPUTS)
        for activation in ACTIVATIONS:
            for towers in (1, 2):
                with self.subTest(activation=activation, towers=towers):
                    made = config(fst.FAMILY_MLP, inputs=INPUTS, layers=3, tower_width=24, towers=towers,
                                  activation=activation, orthogonal_gain=1.4)
                    self.check_towers(made, dict(observations=x.numpy(), rows=ROWS), x,
                                      [mlp_tower(activation) for _ in range(towers)],
                                      ["layers.0", "layers.1", "layers.2"])

    def test_cnn(self):
        for atari, size in ((True, (84, 84)), (True, (36, 52)), (False, (5, 7))):
            for towers in (1, 2):
                with self.subTest(size=size, towers=towers):
                    x = torch.rand(4, 4, *size)
                    made = config(fst.FAMILY_CNN, cnn=fst.CNN_ATARI if atari else fst.CNN_SMALL, towers=towers,
                                  tower_width=40, image_channels=4, image_height=size[0], image_width=size[1],
                                  orthogonal_gain=1.4)
                    self.check_towers(made, dict(images=x.numpy(), rows=4), x,
                                      [cnn_tower(atari, size, 40) for _ in range(towers)],
                                      ["convolutions.0", "convolutions.1", "convolutions.2", "linear"])

    def test_transformer(self):
        """Rows of ragged lengths, of which heads read the last position that counts."""
        rows, width = 9, 32
        made = config(fst.FAMILY_GPT2, inputs=INPUTS, context_length=LENGTH, layers=2, width=width, heads=4,
                      init_std=0.2)
        ours = fst.Model(self.context, made)
        ours.add_head(name="policy", outputs=3, init_std=0.3)
        theirs = transformers.GPT2Model(transformers.GPT2Config(
            vocab_size=2, n_positions=LENGTH, n_embd=width, n_layer=2, n_head=4, resid_pdrop=0.0, embd_pdrop=0.0,
            attn_pdrop=0.0))
        linear, head = nn.Linear(INPUTS, width), nn.Linear(width, 3)
        pairs = {"embedding.inputs.weight": (linear.weight, False), "embedding.inputs.bias": (linear.bias, False),
                 "embedding.positions.weight": (theirs.wpe.weight, False), "norm.weight": (theirs.ln_f.weight, False),
                 "norm.bias": (theirs.ln_f.bias, False), "heads.policy.weight": (head.weight, False),
                 "heads.policy.bias": (head.bias, False)}
        for i, block in enumerate(theirs.h):
            for name, layer, turned in (("attention.norm", block.ln_1, False), ("attention.qkv", block.attn.c_attn, True),
                                        ("attention.output", block.attn.c_proj, True), ("mlp.norm", block.ln_2, False),
                                        ("mlp.up", block.mlp.c_fc, True), ("mlp.down", block.mlp.c_proj, True)):
                pairs[f"layers.{i}.{name}.weight"] = (layer.weight, turned)
                pairs[f"layers.{i}.{name}.bias"] = (layer.bias, False)
        names = {ours.parameter_name(i) for i in range(ours.parameter_count())}
        self.assertEqual(names, set(pairs))
        for name, (weight, turned) in pairs.items():
            weight.data.add_(torch.randn_like(weight) * 0.1)
            ours.parameter(name)[...] = (weight.T if turned else weight).detach().numpy()
        x = torch.randn(rows, LENGTH, INPUTS)
        lengths = torch.tensor([6, 1, 3, 5, 2, 6, 4, 1, 6])
        counts = torch.arange(LENGTH)[None] < lengths[:, None]
        state = theirs(inputs_embeds=linear(x), attention_mask=counts.long()).last_hidden_state
        last = state[torch.arange(rows), lengths - 1]
        value = head(last)
        junk = torch.where(counts[..., None], x, torch.full_like(x, 1e9))  # padding has no effect
        ours.forward(dict(observations=junk.numpy(), rows=rows, length=LENGTH,
                          lengths=lengths.numpy().astype(np.int32)), mode=fst.FORWARD_TRAIN)
        self.assertLess(distance(ours.output("policy"), value), 1e-5)
        found = ours.output("hidden")[counts.numpy()]
        self.assertLess(distance(found, state[counts]), 1e-5)
        direction = torch.randn_like(value)
        (value * direction).sum().backward()
        ours.backward("policy", np.ascontiguousarray(direction.numpy()))
        for name, (weight, turned) in pairs.items():
            self.assertLess(distance(ours.gradient(name), weight.grad.T if turned else weight.grad), 1e-4, name)

    def test_orthogonal(self):
        """As torch.nn.init.orthogonal_: the shorter side's vectors are orthonormal times the gain, and
        the directions are uniform: each element has mean 0 and variance gain² / longer side."""
        made = config(fst.FAMILY_MLP, inputs=100, layers=2, tower_width=300, orthogonal_gain=2.0)
        ours = fst.Model(self.context, made)
        first, second = (ours.parameter(f"towers.0.layers.{i}.weight") for i in (0, 1))
        theirs = nn.init.orthogonal_(torch.empty(300, 100), 2.0).numpy()
        for found in (first, theirs):
            self.assertLess(np.abs(found.T @ found - 4 * np.eye(100)).max(), 1e-5)
            self.assertLess(abs(found.mean()), 0.004)
            self.assertLess(abs((found ** 2).mean() - 4 / 300), 1e-6)
        self.assertLess(np.abs(second @ second.T - 4 * np.eye(300)).max(), 1e-5)
        self.assertGreater(np.linalg.eigvals(second / 2).imag.max(), 0.9)  # no reflection of one kind alone


if __name__ == "__main__":
    unittest.main()
