"""Control policies against networks written out in PyTorch with the same weights: what actions are worth, its
gradients down to the first layer, initial weights, and the normaliser of Stable-Baselines3."""
import sys
from pathlib import Path

try:
    import numpy as np
    import torch
    from torch.distributions import Categorical, Independent, Normal
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "python"))
import fourstage as fst  # noqa: E402

torch.set_num_threads(1)
BOUND = 2e-6
ROWS = 75
rng = np.random.default_rng(5)
worst = {}


def note(name, kind, got, expected, bound=BOUND):
    got, expected = np.asarray(got, "float64"), np.asarray(expected, "float64")
    error = np.abs(got - expected).max() / max(np.abs(expected).max(), 1e-30)
    worst.setdefault(name, {})[kind] = max(error, worst.get(name, {}).get(kind, 0))
    assert error <= bound, f"{name}: {kind} differs by {error:.3g}, more than {bound}"


def normal(*shape, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype("float32")


def box(*shape, dtype=fst.F32):
    space = fst.Space(kind=fst.SPACE_BOX, rank=len(shape), dtype=dtype)
    for i, size in enumerate(shape):
        space.shape[i] = size
    return space


def weights_of(model):
    """Each parameter as a tensor in double with a gradient."""
    return {name: torch.tensor(np.array(model.parameter(name)).astype("float64"), requires_grad=True)
            for name in model.parameter_names()}


def linear(w, name, x):
    return x @ w[name + ".weight"].T + w[name + ".bias"]


def mlp(w, tower, x, layers=2):
    for i in range(layers):
        x = torch.tanh(linear(w, f"towers.{tower}.layers.{i}", x))
    return x


def convolve(w, name, x, side, stride, padding):
    kernel = w[name + ".weight"]
    channels = x.shape[1]
    kernel = kernel.reshape(kernel.shape[0], side, side, channels).permute(0, 3, 1, 2)
    return torch.relu(torch.nn.functional.conv2d(x, kernel, w[name + ".bias"], stride, padding))


def cnn(w, tower, x, plan):
    for i, (side, stride, padding) in enumerate(plan):
        x = convolve(w, f"towers.{tower}.convolutions.{i}", x, side, stride, padding)
    x = x.permute(0, 2, 3, 1).reshape(len(x), -1)
    return torch.relu(linear(w, f"towers.{tower}.linear", x))


def compare(name, policy, observations, seen, actor, critic, bound=BOUND):
    """seen: what the network reads, in double."""
    model = policy.get_model()
    w = weights_of(model)
    for tensor in w.values():    # away from the beginning's zeros and small gains
        tensor.data += 0.1 * torch.tensor(rng.standard_normal(tensor.shape))
        tensor.data = tensor.data.float().double()
    for key, tensor in w.items():
        np.asarray(model.parameter(key))[...] = tensor.detach().numpy().astype("float32")
    model.weights_changed()
    space = policy.action_space()
    gaussian = space.kind == fst.SPACE_BOX
    actions = np.zeros((ROWS, space.shape[0] if gaussian else 1), "float32" if gaussian else "int32")
    acted, evaluated, entropies, values, acted_values = (np.zeros(ROWS, "float32") for _ in range(5))
    policy.act(observations, actions, acted, acted_values, seed=1, step=2)
    batch = fst.ActionBatch(count=ROWS, observations=observations, actions=actions)
    policy.evaluate(batch, evaluated, entropies, values)
    x = torch.tensor(seen)
    mean = linear(w, "heads.policy", actor(w, x))
    value = linear(w, "heads.value", critic(w, x))[:, 0]
    if gaussian:
        given = Independent(Normal(mean, w["heads.log_std.bias"].exp().expand_as(mean)), 1)
        log_p = given.log_prob(torch.tensor(actions).double())
    else:
        given = Categorical(logits=mean)
        log_p = given.log_prob(torch.tensor(actions)[:, 0].long())
    note(name, "log-probability", evaluated, log_p.detach(), bound)
    note(name, "at acting", acted, log_p.detach(), bound)
    note(name, "entropy", entropies, given.entropy().detach(), bound)
    note(name, "value", values, value.detach(), bound)
    on_p, on_h, on_v = normal(ROWS), normal(ROWS), normal(ROWS)
    (torch.tensor(on_p) * log_p + torch.tensor(on_h) * given.entropy() + torch.tensor(on_v) * value).sum().backward()
    model.zero_gradients()
    policy.backward(on_p, on_h, on_v)
    for key, tensor in w.items():
        note(name, "gradient", np.asarray(model.gradient(key)).reshape(tensor.shape), tensor.grad, 20 * bound)


def check_mlp(context):
    for shared in (0, 1):
        for actions in (fst.Space(kind=fst.SPACE_DISCRETE, n=3), box(2)):
            policy = fst.Policy.create_control(context, observation_space=box(4), action_space=actions,
                                               shared=shared)
            x = normal(ROWS, 4)
            compare(f"MLP, {'one trunk' if shared else 'two trunks'}", policy, x, x.astype("float64"),
                    lambda w, v: mlp(w, 0, v), lambda w, v: mlp(w, 0 if shared else 1, v))


def check_one_hot(context):
    counts = np.array([3, 2, 4], "int64")
    many = fst.Space(kind=fst.SPACE_MULTI_DISCRETE, counts=counts)
    many.shape[0] = 3
    x = np.stack([rng.integers(0, n, ROWS) for n in counts], 1).astype("int32")
    seen = np.concatenate([np.eye(n)[x[:, i]] for i, n in enumerate(counts)], 1)
    policy = fst.Policy.create_control(context, observation_space=many,
                                       action_space=fst.Space(kind=fst.SPACE_DISCRETE, n=5))
    compare("one-hot", policy, x, seen, lambda w, v: mlp(w, 0, v), lambda w, v: mlp(w, 1, v))


def check_cnn(context):
    atari, small = [(8, 4, 0), (4, 2, 0), (3, 1, 0)], [(3, 1, 1)] * 3
    for shape, plan in (((2, 40, 36), atari), ((3, 7, 7), small)):
        x = rng.integers(0, 256, (ROWS,) + shape).astype("uint8")
        policy = fst.Policy.create_control(context, observation_space=box(*shape, dtype=fst.U8),
                                           action_space=fst.Space(kind=fst.SPACE_DISCRETE, n=4), width=32)
        seen = (x.astype("float32") / np.float32(255)).astype("float64")
        compare(f"CNN {shape}", policy, x, seen, lambda w, v, p=plan: cnn(w, 0, v, p),
                lambda w, v, p=plan: cnn(w, 0, v, p), 2e-5)


class RunningMeanStd:
    """stable_baselines3.common.running_mean_std.RunningMeanStd, in its words."""

    def __init__(self, shape):
        self.mean, self.var, self.count = np.zeros(shape), np.ones(shape), 1e-4

    def update(self, arr):
        batch_mean, batch_var, batch_count = np.mean(arr, axis=0), np.var(arr, axis=0), arr.shape[0]
        delta = batch_mean - self.mean
        tot_count = self.count + batch_count
        m_2 = (self.var * self.count + batch_var * batch_count +
               np.square(delta) * self.count * batch_count / (self.count + batch_count))
        self.mean = self.mean + delta * batch_count / tot_count
        self.var = m_2 / (self.count + batch_count)
        self.count = batch_count + self.count


def check_normaliser(context):
    policy = fst.Policy.create_control(context, observation_space=box(4), action_space=box(2),
                                       normalize_observations=1, observation_clip=2.0)
    running = RunningMeanStd(4)
    for rows in (1, 64, 7, 300):
        x = normal(rows, 4, scale=3) * np.float32([1, 10, 0.1, 1]) + np.float32([0, 5, -100, 1])
        policy.update_normalizer(x, rows)
        running.update(x.astype("float64"))
    x = normal(ROWS, 4, scale=3) * np.float32([1, 10, 0.1, 1]) + np.float32([0, 5, -100, 1])
    seen = np.clip((x - running.mean) / np.sqrt(running.var + 1e-8), -2, 2)
    compare("normalised", policy, x, seen, lambda w, v: mlp(w, 0, v), lambda w, v: mlp(w, 1, v), 2e-5)


def check_beginning(context):
    """Orthogonal weights with Stable-Baselines3's gains, biases 0."""
    policy = fst.Policy.create_control(context, observation_space=box(8), action_space=box(3), initial_log_std=-0.5)
    model = policy.get_model()
    gains = {"towers.0.layers.0": 2 ** 0.5, "towers.1.layers.1": 2 ** 0.5, "heads.policy": 0.01, "heads.value": 1}
    for name, gain in gains.items():
        weight = np.array(model.parameter(name + ".weight")).astype("float64")
        square = weight @ weight.T if weight.shape[0] <= weight.shape[1] else weight.T @ weight
        note("beginning", "W·Wᵀ", square / gain ** 2, np.eye(len(square)))
        assert not np.array(model.parameter(name + ".bias")).any()
    assert (np.array(model.parameter("heads.log_std.bias")) == np.float32(-0.5)).all()


def main():
    context = fst.Context(threads=1)
    for each in (check_mlp, check_one_hot, check_cnn, check_normaliser, check_beginning):
        each(context)
    for name, errors in worst.items():
        print(f"{name}: " + ", ".join(f"{kind} {error:.2g}" for kind, error in errors.items()))


if __name__ == "__main__":
    main()
