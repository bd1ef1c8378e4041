"""A training loop of one's own through ctypes, with a loss written in numpy.

    python3 custom_loop.py TEXT [STEPS]

Trains a small character model. The loss is cross entropy with a focal factor (1 − p)^γ, which the
library does not have: its gradient with respect to the logits is computed here and handed back.
"""
import sys
import time

import numpy

import fourstage

ROWS, LENGTH, GAMMA = 8, 64, 1.0


def focal_loss(logits, targets):
    """Mean of −(1 − p)^γ log p over the targets that count, and its gradient by the logits.

    Lin et al., "Focal loss for dense object detection", ICCV 2017. With p the target's probability,
    d loss / d log p = (1 − p)^γ · (γ p log p / (1 − p) − 1), and d log p / d logits = onehot − softmax.
    """
    shifted = logits - logits.max(axis=-1, keepdims=True)
    probabilities = numpy.exp(shifted)
    probabilities /= probabilities.sum(axis=-1, keepdims=True)
    keep = (targets >= 0)[..., None]   # FST_IGNORE is negative
    index = numpy.maximum(targets, 0)[..., None].astype("int64")
    p = numpy.take_along_axis(probabilities, index, axis=-1)
    log_p = numpy.log(numpy.maximum(p, 1e-30))
    rest = numpy.maximum(1 - p, 1e-7)
    loss = -(rest ** GAMMA * log_p * keep).sum() / keep.sum()
    slope = rest ** GAMMA * (GAMMA * p * log_p / rest - 1) * keep / keep.sum()
    gradient = -probabilities * slope
    numpy.put_along_axis(gradient, index, (1 - p) * slope, axis=-1)
    return float(loss), gradient.astype("float32")


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    steps = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    with fourstage.Context(seed=1) as context:
        tokenizer = fourstage.Tokenizer.train_files(context, [sys.argv[1]],
                                                    kind=fourstage.TOKENIZER_CHARACTER)
        rows = fourstage.Dataset.from_text_files(context, tokenizer, [sys.argv[1]]).pack(length=LENGTH)
        model = fourstage.Model(context, dict(
            vocabulary_size=tokenizer.vocabulary_size(), context_length=LENGTH,
            layers=2, width=128, heads=4))
        optimizer = fourstage.Optimizer(model, learning_rate=1e-3, weight_decay=0.1,
                                        schedule=fourstage.SCHEDULE_COSINE, total_steps=steps,
                                        warmup_steps=steps // 20)
        ids = numpy.empty((ROWS, LENGTH), "int32")
        targets = numpy.empty((ROWS, LENGTH), "int32")
        began = time.monotonic()
        for step in range(steps):
            rows.read(step * ROWS, ROWS, True, ids, targets, None, None)
            model.forward(fourstage.Batch(rows=ROWS, length=LENGTH, ids=ids), step=step)
            loss, gradient = focal_loss(model.output("logits"), targets)
            model.backward("logits", gradient)
            report = optimizer.step()
            if step % 20 == 0 or step == steps - 1:
                speed = (step + 1) * ids.size / (time.monotonic() - began)
                print(f"step {step + 1}: loss {loss:.3f}, gradient {report.gradient_norm:.2f}, "
                      f"{speed:.0f} tokens/s", flush=True)


if __name__ == "__main__":
    main()
