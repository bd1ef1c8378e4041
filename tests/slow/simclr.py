"""SimCLR on Fashion-MNIST without labels, then a linear probe and nearest neighbours: simclr.py [EPOCHS [WIDTH]]

The probe is softmax regression on the frozen trunk's pooled features, trained on the training images' labels
and counted on the test images; the bar is 87 %. Raw pixels through the same probe stand beside it.
"""
import os
import sys
import time
from pathlib import Path

try:
    import numpy as np
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "python"))
import fourstage as fst  # noqa: E402

FOLDER = Path(os.environ.get("FASHION_MNIST", "/usr/share/datasets/fashion-mnist"))
EPOCHS = int(sys.argv[1]) if len(sys.argv) > 1 else 20
WIDTH = int(sys.argv[2]) if len(sys.argv) > 2 else 32
ROWS, CLASSES = 256, 10


def load(context, part, mean=None, std=None):
    scale = {} if mean is None else dict(mean=mean, std=std)
    return fst.Dataset.load_idx(context, str(FOLDER / f"{part}-images-idx3-ubyte.gz"),
                                str(FOLDER / f"{part}-labels-idx1-ubyte.gz"), **scale)


def labels_of(dataset, count):
    labels = np.empty((count, 1), "float32")
    dataset.read_labels(np.arange(count), labels)
    return labels[:, 0].astype("int32")


def probe(train, train_labels, test, test_labels, steps=400):
    """Accuracy of softmax regression: full batches, Nesterov's momentum, features standardised."""
    mean, std = train.mean(0), train.std(0) + 1e-6
    x = np.hstack([(train - mean) / std, np.ones((len(train), 1))]).astype("float32")
    y = np.hstack([(test - mean) / std, np.ones((len(test), 1))]).astype("float32")
    weights = np.zeros((x.shape[1], CLASSES), "float32")
    speed = np.zeros_like(weights)
    wanted = np.eye(CLASSES, dtype="float32")[train_labels]
    rate = 4.0 / np.mean((x * x).sum(1)) * 4
    for step in range(steps):
        logits = x @ (weights + 0.9 * speed)
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        speed = 0.9 * speed - rate * (x.T @ (p - wanted)) / len(x)
        weights += speed
    return float(((y @ weights).argmax(1) == test_labels).mean())


def main():
    if not (FOLDER / "train-images-idx3-ubyte.gz").exists():
        print(f"skipped: no Fashion-MNIST in {FOLDER} (Debian's package dataset-fashion-mnist)")
        sys.exit(77)
    with fst.Context(seed=1) as context:
        plain = load(context, "train")
        count = plain.get_images_info().images
        mean, std = np.empty(1), np.empty(1)
        plain.measure_images(mean, std)
        train, test = load(context, "train", mean, std), load(context, "t10k", mean, std)
        tests = test.get_images_info().images
        train_labels, test_labels = labels_of(train, count), labels_of(test, tests)
        config = fst.ModelConfig()
        config.set_family(fst.FAMILY_RESNET)
        for name, value in dict(image_channels=1, image_height=28, image_width=28, stage_width=WIDTH, blocks_1=1,
                                blocks_2=1, blocks_3=1).items():
            setattr(config, name, value)
        model = fst.Model(context, config)
        model.add_head(name="projection", pooling=fst.POOL_MEAN, hidden_layers=1, outputs=128, init_std=0.05)
        augment = fst.AugmentOptions()
        augment.crop, augment.crop_least_area, augment.flip = 1, 0.3, 0.5
        augment.jitter, augment.brightness, augment.contrast = 0.8, 0.4, 0.4
        total = EPOCHS * count // ROWS
        optimizer = fst.Optimizer(model, learning_rate=1e-3, weight_decay=1e-4, schedule=fst.SCHEDULE_COSINE,
                                  total_steps=total, warmup_steps=max(1, total // 10))
        run = fst.contrastive_create(model=model, optimizer=optimizer, train=train, head="projection",
                                     pooling=fst.POOL_MEAN, rows=ROWS, temperature=0.2, augment=augment,
                                     run=dict(total_steps=total))
        began = time.monotonic()
        for epoch in range(1, EPOCHS + 1):
            run.until(max(1, total * epoch // EPOCHS))
            print(f"epoch {epoch}: loss {run.metric('loss'):.3f}, accuracy {run.metric('accuracy'):.3f}, alignment "
                  f"{run.metric('alignment'):.3f}, uniformity {run.metric('uniformity'):.3f}, "
                  f"{time.monotonic() - began:.0f} s", flush=True)
        features = model.embed(train, rows=256, normalise=0).reshape(count, -1)
        others = model.embed(test, rows=256, normalise=0).reshape(tests, -1)
        told = np.empty(tests, "int32")
        fst.metrics_knn(context, features, train_labels, count, others, tests, features.shape[1], CLASSES, 20, 0.07,
                        told)
        pixels = [np.empty((n, 784), "float32") for n in (count, tests)]
        train.read_images(np.arange(count), None, 0, pixels[0])
        test.read_images(np.arange(tests), None, 0, pixels[1])
        accuracy = probe(features, train_labels, others, test_labels)
        print(f"20 nearest neighbours {(told == test_labels).mean():.4f}; linear probe of raw pixels "
              f"{probe(pixels[0], train_labels, pixels[1], test_labels):.4f}, of the features {accuracy:.4f}")
        sys.exit(0 if accuracy >= 0.87 else 1)


if __name__ == "__main__":
    main()
