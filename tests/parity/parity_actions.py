"""Distributions over actions against torch.distributions in double, and autograd."""
import sys
from pathlib import Path

try:
    import numpy as np
    import torch
    from torch.distributions import Bernoulli, Categorical, Independent, Normal
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "python"))
import fourstage as fst  # noqa: E402

torch.set_num_threads(1)
BOUND = 1e-6
ROWS = 97
rng = np.random.default_rng(11)
worst = {}


def note(name, kind, got, expected):
    got, expected = np.asarray(got, "float64"), np.asarray(expected, "float64")
    error = (np.abs(got - expected) / np.maximum(np.abs(expected), 1)).max()
    worst.setdefault(name, {})[kind] = max(error, worst.get(name, {}).get(kind, 0))
    assert error <= BOUND, f"{name}: {kind} differs by {error:.3g}, more than {BOUND}"


def normal(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype("float32")


def categoricals(x, masks, counts):
    """One distribution for each part; masked logits are -inf, which torch's entropy wants finite."""
    parts, at = [], 0
    for count in counts:
        logits = x[:, at:at + count]
        if masks is not None:
            mask = torch.tensor(masks[:, at:at + count], dtype=torch.bool)
            logits = torch.where(mask, logits, torch.tensor(-1e8, dtype=torch.float64))
        parts.append(Categorical(logits=logits, validate_args=False))
        at += count
    return parts


def random_masks(counts):
    masks = (rng.random((ROWS, sum(counts))) < 0.6).astype("uint8")
    at = 0
    for count in counts:
        masks[np.arange(ROWS), at + rng.integers(0, count, ROWS)] = 1
        at += count
    return masks


def check(name, space, x, log_std, masks, distribution):
    """distribution(parameters, log σ) as tensors → (log p of an action, entropy), both [ROWS]."""
    box = log_std is not None
    width = x.shape[1] if space.kind != fst.SPACE_DISCRETE else 1
    if space.kind == fst.SPACE_MULTI_DISCRETE:
        width = space.shape[0]
    actions = np.zeros((ROWS, width), "float32" if box else "int32")
    drawn, given, entropies = (np.zeros(ROWS, "float32") for _ in range(3))
    fst.actions_sample(space, x, log_std, masks, ROWS, 3, 5, 0, actions, drawn)
    fst.actions_evaluate(space, x, log_std, masks, actions, ROWS, given, entropies)
    assert (drawn == given).all(), name
    tensor = torch.tensor(x.astype("float64"), requires_grad=True)
    spread = torch.tensor(log_std.astype("float64"), requires_grad=True) if box else None
    log_p, entropy = distribution(tensor, spread, torch.tensor(actions))
    note(name, "log-probability", given, log_p.detach())
    note(name, "entropy", entropies, entropy.detach())
    on_p, on_h = normal(ROWS), normal(ROWS)
    (torch.tensor(on_p) * log_p + torch.tensor(on_h) * entropy).sum().backward()
    d, d_spread = np.full_like(x, np.nan), np.full(x.shape[1], np.nan, "float32")
    fst.actions_gradient(space, x, log_std, masks, actions, ROWS, on_p, on_h, d, d_spread if box else None)
    note(name, "gradient", d, tensor.grad)
    if box:
        scale = np.abs(spread.grad.numpy()).max()
        note(name, "gradient of log σ", d_spread / scale, spread.grad.numpy() / scale)


def check_categoricals():
    for counts in ([2], [4], [70], [3, 5], [2, 1, 6, 4]):
        for masked in (False, True):
            for scale in (0.1, 3.0):
                x = normal(ROWS, sum(counts), scale=scale)
                masks = random_masks(counts) if masked else None
                if len(counts) == 1:
                    space = fst.Space(kind=fst.SPACE_DISCRETE, n=counts[0])
                else:
                    space = fst.Space(kind=fst.SPACE_MULTI_DISCRETE, counts=np.array(counts, "int64"))
                    space.shape[0] = len(counts)

                def distribution(logits, _, actions, counts=counts, masks=masks):
                    parts = categoricals(logits, masks, counts)
                    return (sum(part.log_prob(actions[:, i].long()) for i, part in enumerate(parts)),
                            sum(part.entropy() for part in parts))

                check(f"categoricals {counts}{' with masks' if masked else ''}", space, x, None, masks,
                      distribution)


def check_bernoullis():
    space = fst.Space(kind=fst.SPACE_MULTI_BINARY)
    space.shape[0] = 5

    def distribution(logits, _, actions):
        part = Independent(Bernoulli(logits=logits), 1)
        return part.log_prob(actions.double()), part.entropy()

    for scale in (0.1, 1.0, 8.0):
        check("Bernoullis", space, normal(ROWS, 5, scale=scale), None, None, distribution)


def check_gaussians():
    for width in (1, 3, 17, 200):
        space = fst.Space(kind=fst.SPACE_BOX)
        space.shape[0] = width

        def distribution(mean, log_std, actions):
            part = Independent(Normal(mean, log_std.exp().expand_as(mean)), 1)
            return part.log_prob(actions.double()), part.entropy()

        check(f"Gaussians, {width}", space, normal(ROWS, width), normal(width, scale=0.5), None, distribution)


def main():
    for each in (check_categoricals, check_bernoullis, check_gaussians):
        each()
    for name, errors in worst.items():
        print(f"{name}: " + ", ".join(f"{kind} {error:.2g}" for kind, error in errors.items()))


if __name__ == "__main__":
    main()
