"""Convolution, batch norm, max pooling and whole ResNets against torch.nn.

usage: parity_resnet.py PROBE, the shared module built from convolution_probe.c

Tolerances: values 1e-5 relative in norm, gradients 1e-4, running statistics 1e-5.
"""
import ctypes
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from parity_model import fst, np, torch  # noqa: E402
import image_step_torch as models  # noqa: E402

torch.set_num_threads(1)
probe = None


def address(array):
    return None if array is None else array.ctypes.data_as(ctypes.c_void_p)


def nhwc(tensor):
    return np.ascontiguousarray(tensor.detach().permute(0, 2, 3, 1).numpy())


def taps_last(weight):
    """A convolution's [O, C, k, k] as our matrix [O, k·k·C]."""
    return np.ascontiguousarray(weight.detach().permute(0, 2, 3, 1).reshape(weight.shape[0], -1).numpy())


def draw(generator, *shape):
    return torch.randn(*shape, generator=generator).requires_grad_()


class Parity(unittest.TestCase):
    def close(self, found, expected, tolerance, what):
        found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
        self.assertEqual(found.shape, expected.shape, what)
        error = np.linalg.norm(found - expected) / max(np.linalg.norm(expected), 1e-12)
        self.assertLessEqual(error, tolerance, what)

    def test_convolution(self):
        generator = torch.Generator().manual_seed(1)
        for batch, height, width, channels, outputs, kernel, stride, padding in (
                (2, 9, 7, 3, 5, 3, 1, 1), (2, 28, 28, 1, 32, 3, 1, 1), (3, 14, 14, 32, 64, 3, 2, 1),
                (2, 15, 11, 16, 24, 1, 1, 0), (2, 15, 12, 16, 24, 1, 2, 0), (1, 33, 30, 3, 16, 7, 2, 3),
                (4, 7, 7, 128, 128, 3, 1, 1), (1, 10, 10, 4, 4, 5, 3, 2), (2, 6, 6, 8, 4, 3, 1, 0)):
            case = (batch, height, width, channels, outputs, kernel, stride, padding)
            x, weight = draw(generator, batch, channels, height, width), draw(
                generator, outputs, channels, kernel, kernel)
            y = torch.nn.functional.conv2d(x, weight, None, stride, padding)
            dy = torch.randn(y.shape, generator=generator)
            y.backward(dy)
            arrays = [nhwc(x), taps_last(weight), nhwc(dy), np.empty_like(nhwc(dy)), np.empty_like(nhwc(x)),
                      np.zeros_like(taps_last(weight))]
            sizes = np.array(case, np.int64)
            self.assertEqual(probe.probe_convolution(address(sizes), *map(address, arrays)), 0)
            self.close(arrays[3], nhwc(y), 1e-5, case)
            self.close(arrays[4], nhwc(x.grad), 1e-4, case)
            self.close(arrays[5], taps_last(weight.grad), 1e-4, case)

    def batch_norm(self, rows, channels, training, relu, residual, steps):
        generator = torch.Generator().manual_seed(rows + channels)
        layer = torch.nn.BatchNorm1d(channels)
        with torch.no_grad():
            layer.weight.copy_(torch.randn(channels, generator=generator))
            layer.bias.copy_(torch.randn(channels, generator=generator))
            layer.running_mean.copy_(torch.randn(channels, generator=generator))
            layer.running_var.copy_(torch.rand(channels, generator=generator) + .5)
        start = [layer.running_mean.numpy().copy(), layer.running_var.numpy().copy()]
        layer.train(bool(training))
        x, onto = draw(generator, rows, channels), draw(generator, rows, channels)
        with torch.no_grad():
            x += 3
        for step in range(steps if training else 1):
            y = layer(x)
        y = y + onto if residual else y
        dy = torch.randn(y.shape, generator=generator)
        if relu:  # where rounding decides on which side of 0 a value is, gradients are not compared
            dy = torch.where(y.abs() > 1e-4, dy, torch.zeros_like(dy))
            y = torch.relu(y)
        y.backward(dy)
        gamma, beta = layer.weight.detach().numpy().copy(), layer.bias.detach().numpy().copy()
        found = {name: np.zeros((rows, channels), np.float32) for name in ("y", "dx", "donto")}
        found.update({name: np.zeros(channels, np.float32) for name in ("dgamma", "dbeta")})
        arrays = [x.detach().numpy(), gamma, beta, onto.detach().numpy() if residual else None, dy.numpy(),
                  *start, *found.values()]
        self.assertEqual(probe.probe_batch_norm(ctypes.c_int64(rows), ctypes.c_int64(channels), training,
                                                relu, steps, *map(address, arrays)), 0)
        what = (rows, channels, training, relu, residual)
        self.close(found["y"], y.detach(), 1e-5, what)
        self.close(found["dx"], x.grad, 1e-4, what)
        self.close(found["dgamma"], layer.weight.grad, 1e-4, what)
        self.close(found["dbeta"], layer.bias.grad, 1e-4, what)
        self.close(start[0], layer.running_mean, 1e-5, what)
        self.close(start[1], layer.running_var, 1e-5, what)
        if residual:
            self.close(found["donto"], onto.grad, 1e-4, what)

    def test_batch_norm(self):
        for rows, channels in ((6272, 32), (37, 50), (4, 200), (300, 7)):
            for training in (1, 0):
                for relu, residual in ((0, 0), (1, 0), (1, 1)):
                    self.batch_norm(rows, channels, training, relu, residual, 3)

    def test_max_pool(self):
        generator = torch.Generator().manual_seed(3)
        for batch, height, width, channels, kernel, stride, padding in (
                (2, 28, 28, 16, 3, 2, 1), (3, 9, 7, 5, 3, 2, 1), (2, 8, 8, 40, 2, 2, 0)):
            x = draw(generator, batch, channels, height, width)
            y = torch.nn.functional.max_pool2d(x, kernel, stride, padding)
            dy = torch.randn(y.shape, generator=generator)
            y.backward(dy)
            arrays = [nhwc(x), nhwc(dy), np.empty_like(nhwc(dy)), np.empty_like(nhwc(x))]
            sizes = np.array((batch, height, width, channels, kernel, stride, padding), np.int64)
            self.assertEqual(probe.probe_max_pool(address(sizes), *map(address, arrays)), 0)
            np.testing.assert_array_equal(arrays[2], nhwc(y))
            self.close(arrays[3], nhwc(x.grad), 1e-6, "max pool")

    # ---- whole models

    def modules(self, reference):
        """Our names of modules, and theirs."""
        yield "stem.conv", reference.stem[0][0]
        yield "stem.norm", reference.stem[0][1]
        stage, block, entering = -1, 0, None
        for part in reference.body:
            inner = part.parts[0][0].out_channels
            stage, block = (stage + 1, 0) if inner != entering else (stage, block + 1)
            entering = inner
            for i, unit in enumerate(part.parts, 1):
                yield f"stages.{stage}.{block}.conv{i}", unit[0]
                yield f"stages.{stage}.{block}.norm{i}", unit[1]
            if not isinstance(part.shortcut, torch.nn.Identity):
                yield f"stages.{stage}.{block}.shortcut.conv", part.shortcut[0]
                yield f"stages.{stage}.{block}.shortcut.norm", part.shortcut[1]
        yield "heads.classes", reference.head
        yield "heads.projection.hidden.0", reference.projection[0]
        yield "heads.projection.norm.0", reference.projection[1]
        yield "heads.projection", reference.projection[3]
        yield "heads.projection.norm.1", reference.projection[4]

    @staticmethod
    def ours(tensor):
        return taps_last(tensor) if tensor.dim() == 4 else tensor.detach().numpy().copy()

    def model(self, large, bottleneck, blocks, width, side):
        torch.manual_seed(7)
        channels, rows, classes = 3, 8, 10
        reference = models.ResNet(channels, side, large, bottleneck, width, blocks, rows, classes)
        features = reference.head.in_features
        reference.projection = torch.nn.Sequential(
            torch.nn.Linear(features, 24, bias=False), torch.nn.BatchNorm1d(24), torch.nn.ReLU(),
            torch.nn.Linear(24, 12, bias=False), torch.nn.BatchNorm1d(12, affine=False))
        images = torch.randn(rows, channels, side, side)
        labels = torch.arange(rows) % classes
        context = fst.Context(threads=2)
        config = fst.ModelConfig()
        config.set_family(fst.FAMILY_RESNET)
        config.image_channels, config.image_height, config.image_width = channels, side, side
        config.stem = fst.STEM_7X7 if large else fst.STEM_3X3
        config.bottleneck, config.stage_width = int(bottleneck), width
        for i, count in enumerate(blocks, 1):
            setattr(config, f"blocks_{i}", count)
        model = fst.Model(context, config)
        model.add_head(name="classes", pooling=fst.POOL_MEAN, outputs=classes)
        model.add_head(name="projection", pooling=fst.POOL_MEAN, outputs=12, bias=0, hidden_layers=1,
                       hidden_size=24, hidden_bias=0, batch_norm=1)
        direction = torch.randn(rows, 12)
        for name, module in self.modules(reference):
            with torch.no_grad():
                if isinstance(module, torch.nn.BatchNorm2d) or name == "heads.projection.norm.0":
                    module.weight.uniform_(.5, 1.5)
                    module.bias.normal_(0, .2)
            for kind, value in module.state_dict().items():
                if kind != "num_batches_tracked":
                    model.parameter(f"{name}.{kind}")[...] = self.ours(value)
        model.weights_changed()
        batch = fst.Batch(rows=rows, images=images.numpy())
        for step in range(3):  # running statistics have moved when evaluation reads them
            reference.zero_grad()
            pooled = reference.body(reference.stem(images)).mean((2, 3))
            logits, projected = reference.head(pooled), reference.projection(pooled)
            logits.retain_grad()
            loss = torch.nn.functional.cross_entropy(logits, labels) + (projected * direction).mean()
            loss.backward()
            model.zero_gradients()
            model.forward(batch)
            self.close(model.output("classes"), logits.detach(), 1e-5, "logits")
            self.close(model.output("projection"), projected.detach(), 1e-5, "projection")
            model.add_gradient("projection", direction.numpy() / direction.numel())
            model.backward("classes", logits.grad.numpy())
        for name, module in self.modules(reference):
            for kind, value in module.named_parameters():
                self.close(model.gradient(f"{name}.{kind}"), self.ours(value.grad), 1e-4, f"{name}.{kind}")
            for kind, value in module.named_buffers():
                if kind != "num_batches_tracked":
                    self.close(model.parameter(f"{name}.{kind}"), value, 1e-5, f"{name}.{kind}")
        reference.eval()
        model.forward(batch, mode=fst.FORWARD_EVALUATE)
        self.close(model.output("classes"), reference(images).detach(), 1e-5, "evaluation")

    def test_basic(self):
        self.model(False, False, (2, 2, 2), 16, 12)
        self.model(True, False, (1, 1), 8, 40)

    def test_bottleneck(self):
        self.model(False, True, (1, 2), 8, 10)
        self.model(True, True, (1, 1, 1, 1), 8, 64)


if __name__ == "__main__":
    probe = ctypes.CDLL(sys.argv.pop(1))
    unittest.main()
