"""Proximal policy optimization of one's own through ctypes, scored by a Python function.

    python3 custom_ppo.py [ITERATIONS]

A model that begins with random weights learns to go on with the alphabet from any few letters. What is rewarded is the one function `score`; the rest is the loop that fourstage.Rl runs.
"""
import sys

import numpy

import fourstage

LETTERS = "abcdefghijklmnopqrstuvwxyz"
END = len(LETTERS)
ROWS, MINIBATCH, EPOCHS, ANSWER = 64, 16, 4, 8
KL, VALUE_CLIP, VALUE_COEFFICIENT = 0.005, 0.2, 0.5


def score(prompt, answer):
    """The share of the answer's places that hold the letter after the one before."""
    text = prompt + answer
    return sum(b == LETTERS[(LETTERS.index(a) + 1) % END]
               for a, b in zip(text[len(prompt) - 1:], answer)) / ANSWER


def sample(policy, iteration, generator):
    """Prompts of one to three letters, and the policy's answers as ids."""
    prompts = []
    for _ in range(ROWS):
        first, length = generator.integers(END), generator.integers(1, 4)
        prompts.append(numpy.arange(first, first + length, dtype="int32") % END)
    policy.generate(prompts, max_new_tokens=ANSWER, seed=iteration)
    results = [policy.get_result(row) for row in range(ROWS)]
    return prompts, [numpy.array(result.ids[:result.count], "int32") for result in results]


def lay_out(prompts, answers):
    """ids and targets [ROWS, length]: at each position what follows it, where an answer's token follows."""
    length = max(len(p) + len(a) - 1 for p, a in zip(prompts, answers))
    ids = numpy.zeros((ROWS, length), "int32")
    targets = numpy.full((ROWS, length), fourstage.IGNORE, "int32")
    for row, (prompt, answer) in enumerate(zip(prompts, answers)):
        whole = numpy.concatenate([prompt, answer])
        ids[row, :len(whole) - 1] = whole[:-1]
        targets[row, len(prompt) - 1:len(whole) - 1] = answer
    return ids, targets


def forward(model, ids, targets, rows, mode):
    """log p of the targets and the values; in either mode the same bits, so that first ratios are exactly 1."""
    model.forward(fourstage.Batch(rows=MINIBATCH, length=ids.shape[1], ids=ids[rows], targets=targets[rows]),
                  mode=mode, dropout=0)
    return model.output("log_probabilities").copy(), model.output("value")[..., 0].copy()


def look(model, ids, targets):
    """The same over all rows, in the minibatches of the updates."""
    parts = [forward(model, ids, targets, slice(at, at + MINIBATCH), fourstage.FORWARD_EVALUATE)
             for at in range(0, ROWS, MINIBATCH)]
    return [numpy.concatenate(arrays) for arrays in zip(*parts)]


def update(model, optimizer, ids, targets, rows, old, values, advantages, returns):
    mask = (targets[rows] >= 0).astype("float32")
    weights = mask / mask.sum()
    log_probabilities, now = forward(model, ids, targets, rows, fourstage.FORWARD_TRAIN)
    gradient = numpy.zeros_like(now)
    loss = fourstage.Loss.policy(log_probabilities, old[rows], advantages[rows], weights, gradient)
    model.add_gradient("log_probabilities", gradient)
    fourstage.Loss.value(VALUE_CLIP, now, values[rows], returns[rows], VALUE_COEFFICIENT * weights, gradient)
    model.add_gradient("value", gradient[..., None])
    model.backward()
    optimizer.step()
    return loss


def main():
    iterations = int(sys.argv[1]) if len(sys.argv) > 1 else 80
    generator = numpy.random.default_rng(1)
    with fourstage.Context(seed=1) as context:
        model = fourstage.Model(context, dict(vocabulary_size=END + 1, eos_id=END, context_length=ANSWER + 3,
                                              layers=2, heads=2, width=64))
        model.add_head(name="value", kind=fourstage.HEAD_TOKEN, init_std=0)
        reference = model.copy()
        optimizer = fourstage.Optimizer(model, learning_rate=2e-3)
        policy = fourstage.Policy(model)
        for iteration in range(iterations):
            prompts, answers = sample(policy, iteration, generator)
            ids, targets = lay_out(prompts, answers)
            mask = targets >= 0
            old, values = look(model, ids, targets)
            # The score on the last token, less the KL to the reference on each.
            kl = numpy.where(mask, old - look(reference, ids, targets)[0], 0)
            rewards = -KL * kl
            begins = numpy.array([len(p) - 1 for p in prompts]) + numpy.arange(ROWS) * ids.shape[1]
            lengths = numpy.array([len(a) for a in answers])
            scores = [score("".join(LETTERS[i] for i in p), "".join((LETTERS + ".")[i] for i in a))
                      for p, a in zip(prompts, answers)]
            rewards.flat[begins + lengths - 1] += scores
            advantages, returns = numpy.zeros_like(values), numpy.zeros_like(values)
            fourstage.advantages_gae(fourstage.Trajectories(trajectories=ROWS, offsets=begins, lengths=lengths),
                                     rewards, values, None, None, None, None, advantages, returns)
            fourstage.advantages_whiten(advantages, mask, True)
            losses = [update(model, optimizer, ids, targets, slice(at, at + MINIBATCH), old, values, advantages,
                             returns) for _ in range(EPOCHS) for at in range(0, ROWS, MINIBATCH)]
            if iteration % 10 == 0 or iteration == iterations - 1:
                print(f"iteration {iteration:3}  score {numpy.mean(scores):.3f}  kl {kl.sum() / ROWS:5.2f}  "
                      f"first ratio {losses[0].ratio_max:.9g}  clipped {losses[-1].clip_fraction:.2f}",
                      flush=True)


if __name__ == "__main__":
    main()
