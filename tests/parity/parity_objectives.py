"""The objectives against formulas written out in PyTorch (as TRL has them, where it does) and autograd."""
import sys
from pathlib import Path

try:
    import numpy as np
    import torch
    import torch.nn.functional as F
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "python"))
import fourstage as fst  # noqa: E402

torch.set_num_threads(1)
LOSS, GRADIENT = 1e-5, 1e-4
N = 257
worst = {}
rng = np.random.default_rng(7)


def normal(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype("float32")


def log_probabilities(*shape):
    return -np.abs(normal(*shape)) - 0.05


def masked_weights(shape):
    mask = rng.random(shape) < 0.8
    return mask, (mask / mask.sum()).astype("float32")


def differ(got, expected):
    got, expected = np.asarray(got, "float64"), np.asarray(expected, "float64")
    return np.abs(got - expected).max() / max(np.abs(expected).max(), 1e-30)


def note(name, kind, error, bound):
    worst.setdefault(name, {})[kind] = max(error, worst.get(name, {}).get(kind, 0))
    assert error <= bound, f"{name}: {kind} differs by {error:.3g}, more than {bound}"


def against(name, loss, gradients, torch_loss, inputs):
    """loss and gradients of the library; torch_loss of tensors made of the inputs."""
    tensors = [torch.tensor(each, requires_grad=True) for each in inputs]
    expected = torch_loss(*tensors)
    expected.backward()
    note(name, "loss", differ(loss, expected.item()), LOSS)
    for got, tensor in zip(gradients, tensors):
        note(name, "gradient", differ(got, tensor.grad.numpy()), GRADIENT)


def empty(*arrays):
    return [np.full_like(each, np.nan) for each in arrays]


def masked_mean(values, mask):
    return (values * mask).sum() / mask.sum()


# ---- advantages

def gae_reference(rewards, values, final, terminated, truncated, cut, gamma, lam):
    """[T, N], as CleanRL's loop, with the value of the last observation where an episode was cut."""
    steps, count = rewards.shape
    advantages = np.zeros((steps, count))
    for n in range(count):
        following, advantage = final[n], 0.0
        for t in reversed(range(steps)):
            if terminated[t, n]:
                following, advantage = 0.0, 0.0
            elif truncated[t, n]:
                following, advantage = cut[t, n], 0.0
            delta = rewards[t, n] + gamma * following - values[t, n]
            advantage = delta + gamma * lam * advantage
            advantages[t, n] = advantage
            following = values[t, n]
    return advantages, advantages + values


def check_gae():
    steps, count = 50, 7
    rewards, values, cut = (normal(steps, count) for _ in range(3))
    final = normal(count)
    terminated = (rng.random((steps, count)) < 0.05).astype("uint8")
    truncated = (rng.random((steps, count)) < 0.05).astype("uint8")
    assert terminated.any() and truncated.any()
    wanted = gae_reference(rewards.astype("float64"), values, final, terminated, truncated, cut, 0.97, 0.9)
    got = empty(rewards, rewards)
    layout = fst.Trajectories(trajectories=count, steps=steps, trajectory_stride=1, step_stride=count)
    fst.advantages_gae(layout, rewards, values, final, terminated, truncated, cut, got[0], got[1],
                       gamma=0.97, **{"lambda": 0.9})
    note("GAE, environments", "advantages", differ(got[0], wanted[0]), 1e-6)
    note("GAE, environments", "returns", differ(got[1], wanted[1]), 1e-6)
    # Ragged: the same trajectories, each cut off somewhere, one behind the other.
    lengths = rng.integers(1, steps, count)
    offsets = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    flat = [np.concatenate([each[:lengths[n], n] for n in range(count)]) for each in (rewards, values)]
    got = empty(flat[0], flat[0])
    layout = fst.Trajectories(trajectories=count, offsets=offsets, lengths=lengths)
    fst.advantages_gae(layout, flat[0], flat[1], None, None, None, None, got[0], got[1])
    for n in range(count):
        part = slice(offsets[n], offsets[n] + lengths[n])
        zero = np.zeros((lengths[n], 1))
        wanted = gae_reference(flat[0][part, None].astype("float64"), flat[1][part, None], [0.0], zero, zero,
                               zero, 1.0, 0.95)
        note("GAE, text", "advantages", differ(got[0][part], wanted[0][:, 0]), 1e-6)
        note("GAE, text", "returns", differ(got[1][part], wanted[1][:, 0]), 1e-6)


def check_advantages():
    values = normal(N)
    mask = (rng.random(N) < 0.7).astype("uint8")
    for shift in (0, 1):
        got = values.copy()
        fst.advantages_whiten(got, mask, shift)
        valid = torch.tensor(values[mask == 1])
        wanted = (valid - valid.mean()) / (valid.std() + 1e-8) + (0 if shift else valid.mean())
        note("whitening", "advantages", differ(got[mask == 1], wanted), 1e-5)
        assert np.array_equal(got[mask == 0], values[mask == 0])
    rewards = torch.tensor(normal(24))
    groups = rewards.view(-1, 8)
    mean = groups.mean(1, keepdim=True)
    wanted = {  # RLOO and GRPO as in TRL's trainers
        fst.GROUP_RLOO: groups - (groups.sum(1, keepdim=True) - groups) / 7,
        fst.GROUP_GRPO: (groups - mean) / (groups.std(1, keepdim=True) + 1e-4),
        fst.GROUP_DR_GRPO: groups - mean,
    }
    for kind, expected in wanted.items():
        got = np.empty(24, "float32")
        fst.advantages_group(kind, rewards.numpy(), 8, got)
        note("groups", "advantages", differ(got, expected.flatten()), 1e-5)


# ---- policy, value, KL

def check_policy():
    now, old, advantages = log_probabilities(N), log_probabilities(N), normal(N)
    mask, weights = masked_weights(N)
    mask_t, old_t, adv_t = torch.tensor(mask), torch.tensor(old), torch.tensor(advantages)
    for low, high, dual in ((0.2, 0.2, 0), (0.2, 0.28, 0), (0.2, 0.2, 1.5)):
        def loss(x):  # TRL's PPO and GRPO; the dual clip as verl's compute_policy_loss
            ratio = torch.exp(x - old_t)
            each = torch.max(-adv_t * ratio, -adv_t * torch.clamp(ratio, 1 - low, 1 + high))
            if dual:
                each = torch.where(adv_t < 0, torch.min(each, -adv_t * dual), each)
            return masked_mean(each, mask_t)
        gradient, = empty(now)
        found = fst.Loss.policy(now, old, advantages, weights, gradient, clip_low=low, clip_high=high,
                                dual_clip=dual)
        against("policy", found.loss, [gradient], loss, [now])
        ratio = np.exp(now.astype("float64") - old)[mask]
        note("policy", "ratio", differ(found.ratio_mean, ratio.mean()), 1e-5)
        note("policy", "KL", differ(found.approximate_kl, (ratio - 1 - np.log(ratio)).mean()), 1e-5)
        assert found.tokens == mask.sum() and 0.1 < found.clip_fraction < 0.9


def check_value():
    values, old, returns = normal(N), normal(N), normal(N)
    mask, weights = masked_weights(N)
    old_t, returns_t, mask_t = torch.tensor(old), torch.tensor(returns), torch.tensor(mask)
    for clip in (0.2, 0):
        def loss(x):  # TRL's PPO: 0.5 · masked_mean(max(…))
            error = (x - returns_t) ** 2
            if clip:
                clipped = torch.clamp(x, old_t - clip, old_t + clip)
                error = torch.max(error, (clipped - returns_t) ** 2)
            return 0.5 * masked_mean(error, mask_t)
        gradient, = empty(values)
        found = fst.Loss.value(clip, values, old, returns, weights, gradient)
        against("value", found.loss, [gradient], loss, [values])
        r, v = returns.astype("float64")[mask], values.astype("float64")[mask]
        note("value", "explained variance", differ(found.explained_variance, 1 - np.var(r - v) / np.var(r)),
             1e-5)


def check_kl():
    now, reference = log_probabilities(N), log_probabilities(N)
    mask, weights = masked_weights(N)
    estimates = {
        fst.KL_K1: lambda d: d,
        fst.KL_K2: lambda d: d ** 2 / 2,
        fst.KL_K3: lambda d: torch.exp(-d) - 1 + d,
    }
    for kind, estimate in estimates.items():
        each, gradient = empty(now, now)
        loss = fst.Loss.kl(kind, now, reference, weights, each, gradient)
        against("KL", loss, [gradient],
                lambda x: masked_mean(estimate(x - torch.tensor(reference)), torch.tensor(mask)), [now])
        wanted = estimate(torch.tensor(now - reference)).numpy() * mask
        note("KL", "per token", differ(each, wanted), 1e-5)


def check_aggregation():
    rows, columns, longest = 6, 11, 16
    lengths = rng.integers(1, columns + 1, rows)
    mask = torch.arange(columns)[None] < torch.tensor(lengths)[:, None]
    each = torch.tensor(normal(rows, columns))
    wanted = {  # TRL's GRPO: loss_type dapo or bnpo, grpo, dr_grpo
        fst.AGGREGATE_TOKENS: (each * mask).sum() / mask.sum(),
        fst.AGGREGATE_SEQUENCES: ((each * mask).sum(-1) / mask.sum(-1).clamp(min=1.0)).mean(),
        fst.AGGREGATE_CONSTANT: (each * mask).sum() / (rows * longest),
    }
    for kind, expected in wanted.items():
        weights = np.empty((rows, columns), "float32")
        fst.Loss.weights(None, lengths, rows, columns, weights, kind=kind, constant_length=longest)
        note("aggregation", "mean", differ((weights.astype("float64") * each.numpy()).sum(), expected), 1e-5)


# ---- preferences

def check_preferences():
    count = 64
    chosen, rejected, reference_chosen, reference_rejected = (normal(count, scale=4) - 20 for _ in range(4))
    lengths = [rng.integers(1, 30, count) for _ in range(2)]
    mask, weights = masked_weights(count)
    parts = [torch.tensor(each) for each in (reference_chosen, reference_rejected, *lengths)]

    def loss_of(kind, beta, smoothing):
        def loss(c, r):  # TRL's DPOTrainer.dpo_loss
            lengths_c, lengths_r = (parts[2], parts[3]) if kind == fst.PREFERENCE_IPO else (1, 1)
            logits = (c - parts[0]) / lengths_c - (r - parts[1]) / lengths_r
            if kind == fst.PREFERENCE_DPO:
                each = (-F.logsigmoid(beta * logits) * (1 - smoothing) -
                        F.logsigmoid(-beta * logits) * smoothing)
            elif kind == fst.PREFERENCE_IPO:
                each = (logits - 1 / (2 * beta)) ** 2
            else:
                each = torch.relu(1 - beta * logits)
            return masked_mean(each, torch.tensor(mask))
        return loss

    for kind, beta, smoothing in ((fst.PREFERENCE_DPO, 0.1, 0), (fst.PREFERENCE_DPO, 0.5, 0.1),
                                  (fst.PREFERENCE_IPO, 0.1, 0), (fst.PREFERENCE_HINGE, 0.1, 0)):
        margins, dc, dr = empty(chosen, chosen, chosen)
        found = fst.Loss.preference(chosen, rejected, reference_chosen, reference_rejected, *lengths,
                                    weights, margins, dc, dr, kind=kind, beta=beta,
                                    label_smoothing=smoothing)
        against("preferences", found.loss, [dc, dr], loss_of(kind, beta, smoothing), [chosen, rejected])


def check_kto():
    count = 64
    policy, reference = normal(count, scale=4) - 20, normal(count, scale=4) - 20
    other, other_reference = normal(count) - 20, normal(count) - 21
    desirable = rng.random(count) < 0.6
    point = fst.kto_reference_point(other, other_reference)
    wanted = (torch.tensor(other) - torch.tensor(other_reference)).mean().clamp(min=0)
    note("KTO", "reference point", differ(point, wanted), 1e-5)

    def loss(x):  # TRL's KTOTrainer.kto_loss
        ratio = x - torch.tensor(reference)
        good = 1 * (1 - F.sigmoid(0.1 * (ratio - wanted)))
        bad = 1.33 * (1 - F.sigmoid(0.1 * (wanted - ratio)))
        return torch.where(torch.tensor(desirable), good, bad).mean()

    gradient, = empty(policy)
    found = fst.Loss.kto(policy, reference, desirable.astype("uint8"), gradient=gradient, beta=0.1,
                         undesirable_weight=1.33, reference_point=point)
    against("KTO", found.loss, [gradient], loss, [policy])


# ---- rewards

def check_pairs():
    count = 64
    chosen, rejected, margins = normal(count), normal(count), np.abs(normal(count))
    for centering, margin in ((0, None), (0.01, margins)):
        def loss(c, r):  # TRL's RewardTrainer.compute_loss
            shift = 0 if margin is None else torch.tensor(margin)
            return -F.logsigmoid(c - r - shift).mean() + centering * ((c + r) ** 2).mean()
        dc, dr = empty(chosen, chosen)
        found = fst.Loss.bradley_terry(centering, chosen, rejected, margin, None, dc, dr)
        against("Bradley–Terry", found.loss, [dc, dr], loss, [chosen, rejected])
        assert abs(found.accuracy - (chosen > rejected).mean()) < 1e-12


def check_k_wise():
    sizes = [2, 9, 4, 3]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    scores = normal(offsets[-1])

    def loss(x):
        total = 0
        for first, last in zip(offsets, offsets[1:]):
            part = x[first:last]
            i, j = torch.triu_indices(len(part), len(part), 1)
            total = total - F.logsigmoid(part[i] - part[j]).mean() + 0.01 * ((part[i] + part[j]) ** 2).mean()
        return total / len(sizes)

    gradient, = empty(scores)
    found = fst.Loss.k_wise(0.01, scores, offsets, None, len(sizes), gradient)
    against("K-wise", found.loss, [gradient], loss, [scores])


def check_graded():
    scores = normal(N)
    labels = rng.integers(0, 5, N).astype("float32")
    labels[rng.random(N) < 0.3] = np.nan
    there = torch.tensor(~np.isnan(labels))
    gradient, = empty(scores)
    found = fst.Loss.regression(scores, labels, None, gradient)
    against("MSE", found.loss, [gradient], lambda x: F.mse_loss(x[there], torch.tensor(labels)[there]),
            [scores])

    def ranked(x):
        s, y = x[there], torch.tensor(labels)[there]
        better = y[:, None] > y[None]
        return -F.logsigmoid(s[:, None] - s[None])[better].mean()

    found = fst.Loss.ranked(0, scores, labels, gradient)
    against("ranked", found.loss, [gradient], ranked, [scores])

    thresholds = torch.tensor([1.5, 0.5, -0.5, -1.5])
    logits = (torch.tensor(scores)[:, None] + thresholds).numpy()
    level = torch.tensor(labels)[there].long()

    def coral(z):  # coral_pytorch.losses.coral_loss, the mean over labels
        targets = (level[:, None] > torch.arange(4)).float()
        z = z[there]
        return -(F.logsigmoid(z) * targets + (F.logsigmoid(z) - z) * (1 - targets)).sum(1).mean()

    def cumulative(z):
        above = torch.sigmoid(z[there].double())
        edges = torch.cat([torch.ones(len(above), 1), above, torch.zeros(len(above), 1)], 1)
        likelihood = edges[:, :-1] - edges[:, 1:]
        return -likelihood[torch.arange(len(level)), level].log().mean()

    gradient, = empty(logits)
    for kind, loss in ((fst.ORDINAL_CORAL, coral), (fst.ORDINAL_CUMULATIVE, cumulative)):
        found = fst.Loss.ordinal(kind, logits, labels, None, 5, gradient)
        against("ordinal", found.loss, [gradient], loss, [logits])


def check_labels():
    """torch.nn.CrossEntropyLoss and BCEWithLogitsLoss, with weights, smoothing and missing labels."""
    classes = 5
    logits, class_weights = normal(N, classes, scale=3), np.array([0.5, 2, 1, 0.1, 1.7])
    label = rng.integers(0, classes, N).astype("float32")
    label[rng.random(N) < 0.2] = np.nan
    gradient, = empty(logits)
    targets = torch.tensor(np.where(np.isnan(label), -100, label)).long()
    for smoothing in (0, 0.1):
        for weights in (None, class_weights):
            found = fst.Loss.classes(
                logits, label, None, classes, gradient, label_smoothing=smoothing,
                class_weights=weights)
            against("classes", found.loss, [gradient], lambda z: F.cross_entropy(
                z, targets, weight=None if weights is None else torch.tensor(weights).float(),
                label_smoothing=smoothing), [logits])

    several = (rng.random((N, classes)) < 0.3).astype("float32")
    several[rng.random((N, classes)) < 0.2] = np.nan
    there = torch.tensor(~np.isnan(several))
    for smoothing in (0, 0.1):
        y = torch.tensor(several) * (1 - smoothing) + smoothing / 2
        for weights in (None, class_weights):
            found = fst.Loss.labels(
                logits, several, None, N, classes, gradient, label_smoothing=smoothing,
                class_weights=weights)
            against("labels", found.loss, [gradient], lambda z: F.binary_cross_entropy_with_logits(
                z, torch.nan_to_num(y), reduction="none",
                pos_weight=None if weights is None else torch.tensor(weights).float())[there].mean(),
                [logits])


def check_contrastive():
    context = fst.Context()

    def ntxent(a, b, temperature):
        """As SimCLR's: the other view against all but oneself."""
        z = F.normalize(torch.cat([a, b]))
        logits = z @ z.T / temperature
        logits = logits.masked_fill(torch.eye(len(z), dtype=torch.bool), -torch.inf)
        count = len(a)
        return F.cross_entropy(logits, torch.cat([torch.arange(count) + count, torch.arange(count)]))

    def simcse(anchors, candidates, temperature, weight=0.0):
        """As SimCSE's models.py, with z3_weight on an anchor's own hard negative."""
        count = len(anchors)
        logits = F.cosine_similarity(anchors.unsqueeze(1), candidates.unsqueeze(0), dim=-1) / temperature
        logits = logits + F.pad(weight * torch.eye(count), (count, 0))[:, :len(candidates)]
        return F.cross_entropy(logits, torch.arange(count))

    for count, width, temperature in ((64, 48, 0.5), (300, 33, 0.1), (2, 128, 1.0)):
        first, second = normal(count, width, scale=2), normal(count, width)
        second += first
        gradients = empty(first, second)
        found = fst.Loss.ntxent(context, first, second, count, width, *gradients, temperature=temperature)
        against("NT-Xent", found.loss, gradients, lambda a, b: ntxent(a, b, temperature), [first, second])
        found = fst.Loss.infonce(context, first, second, count, count, width, *gradients, temperature=temperature)
        against("InfoNCE", found.loss, gradients, lambda a, b: simcse(a, b, temperature), [first, second])
        distance = (F.normalize(torch.tensor(first)) - F.normalize(torch.tensor(second))).pow(2).sum(1).mean()
        note("alignment", "loss", differ(found.alignment, distance.item()), LOSS)
        hard = np.concatenate([second, normal(count, width) + first])
        gradients = empty(first, hard)
        found = fst.Loss.infonce(context, first, hard, count, 2 * count, width, *gradients, temperature=temperature,
                                 hard_negative_logit=0.3)
        against("InfoNCE with hard negatives", found.loss, gradients,
                lambda a, c: simcse(a, c, temperature, 0.3), [first, hard])


def main():
    for check in (check_gae, check_advantages, check_policy, check_value, check_kl, check_aggregation,
                  check_preferences, check_kto, check_pairs, check_k_wise, check_graded,
                  check_labels, check_contrastive):
        check()
    for name, errors in worst.items():
        print(f"{name}: " + ", ".join(f"{kind} {error:.2g}" for kind, error in errors.items()))


if __name__ == "__main__":
    main()
