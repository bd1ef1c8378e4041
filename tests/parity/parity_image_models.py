"""Vision transformers and ResNets here and in transformers: hidden states, logits, each parameter's
gradient, and directories in both directions.

Tolerances: outputs 1e-5 relative in norm, gradients 1e-4.
"""
import contextlib
import io
import logging
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from parity_model import fst, np, torch  # noqa: E402
import transformers  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

T = transformers
torch.set_num_threads(1)
T.logging.set_verbosity_error()
T.utils.logging.disable_progress_bar()

ROWS = 5


def vit(**changes):
    sizes = dict(hidden_size=48, num_hidden_layers=2, num_attention_heads=4, intermediate_size=80,
                 image_size=[8, 12], patch_size=4, num_channels=3, hidden_dropout_prob=0.0,
                 attention_probs_dropout_prob=0.0)
    return T.ViTConfig(**{**sizes, **changes})


def resnet(**changes):
    sizes = dict(num_channels=3, embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2],
                 layer_type="basic")
    return T.ResNetConfig(**{**sizes, **changes})


CASES = {
    "vit": (T.ViTModel, vit(), (8, 12)),
    "vit, no qkv bias, tanh gelu": (T.ViTModel, vit(qkv_bias=False, hidden_act="gelu_new"), (8, 12)),
    "vit classifier": (T.ViTForImageClassification, vit(num_labels=3, num_channels=1), (8, 12)),
    "resnet": (T.ResNetModel, resnet(), (224, 224)),
    "resnet classifier": (T.ResNetForImageClassification, resnet(num_labels=4), (224, 224)),
    "resnet bottleneck": (T.ResNetForImageClassification, resnet(
        num_labels=4, layer_type="bottleneck", hidden_sizes=[32, 64, 128], depths=[1, 1, 2]), (224, 224)),
}


def make(name):
    kind, config, size = CASES[name]
    torch.manual_seed(5)
    model = kind(config)
    with torch.no_grad():  # away from the values of a fresh model, so that an error in any shows
        for _, value in list(model.named_parameters()) + list(model.named_buffers()):
            if value.is_floating_point():
                value.add_(torch.randn_like(value).abs() * 0.05)
    images = torch.randn(ROWS, config.num_channels, *size)
    return model, images


def distance(ours, theirs):
    theirs = theirs.detach().numpy()
    return np.linalg.norm(ours - theirs) / max(np.linalg.norm(theirs), 1e-30)


def hidden_of(output):
    """[rows, positions, width] of either class's last state."""
    state = output.last_hidden_state if "last_hidden_state" in output else output.hidden_states[-1]
    return state.flatten(2).transpose(1, 2) if state.dim() == 4 else state


class ImageModels(unittest.TestCase):
    def setUp(self):
        self.context = fst.Context(threads=2)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def load(self, name):
        theirs, images = make(name)
        theirs.save_pretrained(self.folder.name)
        return theirs, images, fst.Model.load(self.context, self.folder.name)

    def forward(self, ours, images, mode):
        pixels = np.ascontiguousarray(images.numpy())
        ours.forward(dict(images=pixels, rows=ROWS), mode=mode)

    def check_outputs(self, theirs, ours, images):
        theirs.eval()
        self.forward(ours, images, fst.FORWARD_EVALUATE)
        output = theirs(images, output_hidden_states=True)
        if "logits" in output:
            self.assertLess(distance(ours.output("classifier"), output.logits), 1e-5)
        else:
            self.assertLess(distance(ours.output("hidden"), hidden_of(output)), 1e-5)

    def test_read(self):
        for name in CASES:
            with self.subTest(name):
                theirs, images, ours = self.load(name)
                self.check_outputs(theirs, ours, images)

    def test_gradients(self):
        for name in ("vit", "vit classifier", "resnet classifier", "resnet bottleneck"):
            with self.subTest(name):
                theirs, images, ours = self.load(name)
                theirs.train()
                self.forward(ours, images, fst.FORWARD_TRAIN)
                output = theirs(images, output_hidden_states=True)
                which = "classifier" if "logits" in output else "hidden"
                value = output.logits if which == "classifier" else hidden_of(output)
                direction = torch.randn_like(value)
                (value * direction).sum().backward()
                ours.backward(which, np.ascontiguousarray(direction.numpy()))
                # A directory of gradients, written as the weights are: names and layouts are those.
                for index in range(ours.parameter_count()):
                    parameter = ours.parameter_name(index)
                    if "running" not in parameter:
                        ours.parameter(parameter)[...] = ours.gradient(parameter)
                ours.save(None, self.folder.name)
                found = load_file(Path(self.folder.name) / "model.safetensors")
                checked = 0
                saved = Path(self.folder.name) / "theirs"
                with torch.no_grad():
                    for _, weight in theirs.named_parameters():
                        weight.copy_(weight.grad if weight.grad is not None else torch.zeros_like(weight))
                theirs.save_pretrained(saved)
                expected = load_file(saved / "model.safetensors")
                for key, wanted in expected.items():
                    if "running" in key or "num_batches" in key or "pooler" in key:
                        continue
                    if key.endswith("key.bias"):
                        # Softmax does not see it: rounding in both, beside the queries' gradient.
                        scale = np.linalg.norm(expected[key.replace("key", "query")])
                        self.assertLess(np.linalg.norm(found[key] - wanted), 1e-5 * scale, key)
                        continue
                    self.assertLess(distance(found[key].numpy(), wanted), 1e-4, key)
                    checked += 1
                self.assertGreater(checked, 8)

    def test_written(self):
        for name in CASES:
            with self.subTest(name):
                theirs, images, ours = self.load(name)
                written = Path(self.folder.name) / "written"
                ours.save(None, str(written))
                log = io.StringIO()
                handler = logging.StreamHandler(log)
                logger = logging.getLogger("transformers")
                logger.addHandler(handler)
                with contextlib.redirect_stderr(log):
                    again, report = type(theirs).from_pretrained(written, output_loading_info=True)
                logger.removeHandler(handler)
                missing = [key for key in report["missing_keys"]
                           if "pooler" not in key and "num_batches" not in key]
                self.assertEqual(missing, [], name)
                self.assertEqual(list(report["unexpected_keys"]), [], name)
                self.assertEqual(list(report["mismatched_keys"]), [], name)
                theirs.eval(), again.eval()
                one = theirs(images, output_hidden_states=True)
                two = again(images, output_hidden_states=True)
                a, b = (o.logits if "logits" in o else hidden_of(o) for o in (one, two))
                self.assertLess(distance(b.detach().numpy(), a), 1e-6)

    def test_small_stem(self):
        """The 3×3 stem, which transformers has no class for, comes back as it went."""
        config = fst.ModelConfig()
        config.set_family(fst.FAMILY_RESNET)
        config.image_channels, config.image_height, config.image_width = 1, 12, 10
        config.stage_width, config.blocks_1, config.blocks_2 = 8, 1, 1
        ours = fst.Model(self.context, config)
        ours.add_head(name="classifier", outputs=3, pooling=fst.POOL_MEAN)
        ours.add_head(name="projection", outputs=6, pooling=fst.POOL_MEAN, hidden_layers=1, batch_norm=1,
                      bias=0, hidden_bias=0)
        images = torch.randn(ROWS, 1, 12, 10)
        for _ in range(3):  # moves the running statistics
            self.forward(ours, images, fst.FORWARD_TRAIN)
            ours.output("projection")
        ours.save(None, self.folder.name)
        again = fst.Model.load(self.context, self.folder.name)
        self.forward(ours, images, fst.FORWARD_EVALUATE)
        self.forward(again, images, fst.FORWARD_EVALUATE)
        for head in ("classifier", "projection"):
            self.assertEqual(ours.output(head).tobytes(), again.output(head).tobytes())
        moved = ours.parameter("heads.projection.norm.0.running_mean")
        self.assertGreater(np.abs(moved).max(), 0)
        with self.assertRaises(Exception):
            T.AutoConfig.from_pretrained(self.folder.name)


if __name__ == "__main__":
    unittest.main()
