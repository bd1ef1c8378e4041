"""A whole iteration of a run in environments against CleanRL's and Stable-Baselines3's updates written out in PyTorch, on the
same rollout: values and log-probabilities at acting, advantages with episodes that end and that are cut short, several
epochs of shuffled minibatches, Adam. And SB3's VecNormalize of rewards."""
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
torch.set_default_dtype(torch.float64)
SEED, N, STEPS, MINIBATCH, EPOCHS = 11, 4, 32, 48, 3
STREAM_MINIBATCH = 10
GAMMA, LAMBDA = 0.97, 0.9


# ---- the order of minibatches: philox 4x32-10 and a balanced Feistel network, as lib/base/random.h says

def philox(seed, stream, step, index):
    m = 0xFFFFFFFF
    c0, c1, c2, c3 = index & m, index >> 32 & m, step & m, (step >> 32 & m) ^ (stream << 24)
    k0, k1 = seed & m, seed >> 32 & m
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & m, (p0 >> 32) ^ c3 ^ k1, p0 & m
        k0, k1 = k0 + 0x9E3779B9 & m, k1 + 0xBB67AE85 & m
    return c0


def permute(step, count):
    half = 1
    while half < 31 and 1 << 2 * half < count:
        half += 1
    mask, order = (1 << half) - 1, []
    for value in range(count):
        while True:
            left, right = value >> half, value & mask
            for turn in range(6):
                left, right = right, left ^ philox(SEED, STREAM_MINIBATCH, step, turn << 32 | right) & mask
            value = left << half | right
            if value < count:
                break
        order.append(value)
    return order


# ---- the network

def network(w, x):
    trunks = []
    for tower in range(2):
        h = x
        for layer in range(2):
            name = f"towers.{tower}.layers.{layer}"
            h = torch.tanh(h @ w[name + ".weight"].T + w[name + ".bias"])
        trunks.append(h)
    out = trunks[0] @ w["heads.policy.weight"].T + w["heads.policy.bias"]
    values = (trunks[1] @ w["heads.value.weight"].T + w["heads.value.bias"])[:, 0]
    if "heads.log_std.bias" in w:
        return Independent(Normal(out, w["heads.log_std.bias"].exp().expand_as(out)), 1), values
    return Categorical(logits=out), values


def weights_of(model):
    return {name: torch.tensor(np.array(model.parameter(name)).astype("float64"), requires_grad=True)
            for name in model.parameter_names()}


# ---- both losses, in the words of their authors

def clean_rl(new_log_p, entropy, newvalue, old_log_p, values, advantages, returns, clip, ent_coef):
    """cleanrl/ppo.py with norm_adv and clip_vloss; vf_coef 0.5."""
    ratio = (new_log_p - old_log_p).exp()
    mb = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    pg_loss = torch.max(-mb * ratio, -mb * torch.clamp(ratio, 1 - clip, 1 + clip)).mean()
    unclipped = (newvalue - returns) ** 2
    clipped = values + torch.clamp(newvalue - values, -clip, clip)
    v_loss = 0.5 * torch.max(unclipped, (clipped - returns) ** 2).mean()
    return pg_loss - ent_coef * entropy.mean() + v_loss * 0.5


def sb3(new_log_p, entropy, newvalue, old_log_p, values, advantages, returns, clip, ent_coef):
    """stable_baselines3/ppo/ppo.py with clip_range_vf None; vf_coef 0.5."""
    advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    ratio = torch.exp(new_log_p - old_log_p)
    policy_loss = -torch.min(advantages * ratio, advantages * torch.clamp(ratio, 1 - clip, 1 + clip)).mean()
    value_loss = torch.nn.functional.mse_loss(returns, newvalue)
    return policy_loss + ent_coef * -torch.mean(entropy) + 0.5 * value_loss


# ---- one iteration here

class VecNormalize:
    """The rewards' part of stable_baselines3.common.vec_env.VecNormalize."""

    def __init__(self):
        self.mean, self.var, self.count, self.returns = 0.0, 1.0, 1e-4, np.zeros(N)

    def __call__(self, rewards, dones):
        self.returns = self.returns * GAMMA + rewards
        mean, var, count = self.returns.mean(), self.returns.var(), N
        delta, total = mean - self.mean, self.count + count
        m_2 = self.var * self.count + var * count + delta ** 2 * self.count * count / total
        self.mean, self.var, self.count = self.mean + delta * count / total, m_2 / total, total
        normalised = np.clip(rewards / np.sqrt(self.var + 1e-8), -10, 10)
        self.returns[dones] = 0
        return normalised


def roll_out(run, rng, gaussian, normalise):
    """What a host saw and did in STEPS steps, and what followed."""
    scale, seen = VecNormalize(), {key: [] for key in "x a r end cut last".split()}
    actions = np.zeros((N, 2) if gaussian else N, "float32" if gaussian else "int32")
    for _ in range(STEPS):
        x, rewards = rng.standard_normal((N, 5)).astype("float32"), rng.standard_normal(N) * 2 + 1
        end, cut = (rng.random(N) < 0.1).astype("uint8"), (rng.random(N) < 0.1).astype("uint8")
        last = rng.standard_normal((N, 5)).astype("float32")
        fst.control_act(run, x, None, actions)
        fst.control_observe(run, rewards, end, cut, last)
        kept = scale(rewards, (end | cut) > 0) if normalise else rewards
        for key, value in zip(seen, (x, actions.copy(), kept, end, cut & (1 - end), last)):
            seen[key].append(value)
    return {key: np.stack(value) for key, value in seen.items()}


def advantages_of(w, seen, after):
    with torch.no_grad():
        given, values = network(w, torch.tensor(seen["x"].reshape(-1, 5).astype("float64")))
        log_p = given.log_prob(torch.tensor(seen["a"].reshape(STEPS * N, *seen["a"].shape[2:])))
        last = network(w, torch.tensor(seen["last"].reshape(-1, 5).astype("float64")))[1].numpy().reshape(STEPS, N)
        following = network(w, torch.tensor(after.astype("float64")))[1].numpy()
    v = values.numpy().reshape(STEPS, N)
    advantages, running = np.zeros((STEPS, N)), np.zeros(N)
    for t in reversed(range(STEPS)):
        then = v[t + 1] if t + 1 < STEPS else following
        going = 1 - (seen["end"][t] | seen["cut"][t])
        then = np.where(seen["cut"][t], last[t], then) * (1 - seen["end"][t])
        running = seen["r"][t] + GAMMA * then - v[t] + GAMMA * LAMBDA * going * running
        advantages[t] = running
    return log_p, values, torch.tensor(advantages.reshape(-1)), torch.tensor((advantages + v).reshape(-1))


def learn(w, seen, after, iteration, loss_of, optimizer, ent_coef):
    log_p, values, advantages, returns = advantages_of(w, seen, after)
    x = torch.tensor(seen["x"].reshape(-1, 5).astype("float64"))
    actions = torch.tensor(seen["a"].reshape(STEPS * N, *seen["a"].shape[2:]))
    losses = []
    for epoch in range(EPOCHS):
        order = permute(iteration * EPOCHS + epoch, STEPS * N)
        for first in range(0, STEPS * N, MINIBATCH):
            part = order[first:first + MINIBATCH]
            given, newvalue = network(w, x[part])
            loss = loss_of(given.log_prob(actions[part]), given.entropy(), newvalue, log_p[part], values[part],
                           advantages[part], returns[part], 0.2, ent_coef)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(list(w.values()), 0.5)
            optimizer.step()
            losses.append(loss.item())
    return np.mean(losses)


def compare(name, gaussian, loss_of, ent_coef, normalise, **fields):
    rng = np.random.default_rng(3)
    context = fst.Context(threads=1, seed=SEED)
    observations = fst.Space(kind=fst.SPACE_BOX, rank=1)
    observations.shape[0] = 5
    actions = fst.Space(kind=fst.SPACE_BOX, rank=1) if gaussian else fst.Space(kind=fst.SPACE_DISCRETE, n=3)
    if gaussian:
        actions.shape[0] = 2
    policy = fst.Policy.create_control(context, observation_space=observations, action_space=actions, width=16,
                                       policy_gain=0.5)
    w = weights_of(policy.get_model())
    optimizer = torch.optim.Adam(list(w.values()), lr=3e-3, eps=1e-5)
    run = fst.control_create(policy=policy, environments=N, steps=STEPS, minibatch=MINIBATCH, epochs=EPOCHS,
                             gamma=GAMMA, **{"lambda": LAMBDA}, clip=0.2, entropy_coefficient=ent_coef,
                             learning_rate=3e-3, normalize_rewards=int(normalise), learn_in_pieces=1, **fields)
    for iteration in range(2):
        before = {key: tensor.detach().numpy().copy() for key, tensor in w.items()}
        seen = roll_out(run, rng, gaussian, normalise and iteration == 0)
        after = rng.standard_normal((N, 5)).astype("float32")
        fst.control_act(run, after, None, np.zeros((N, 2) if gaussian else N, "float32" if gaussian else "int32"))
        fst.control_observe(run, np.zeros(N))
        while not run.advance():
            pass
        loss = learn(w, seen, after, iteration, loss_of, optimizer, ent_coef)
        moved, error = 0, 0
        for key, tensor in w.items():
            ours = np.array(policy.get_model().parameter(key)).astype("float64").reshape(tensor.shape)
            error = max(error, np.abs(ours - tensor.detach().numpy()).max())
            moved = max(moved, np.abs(tensor.detach().numpy() - before[key].reshape(tensor.shape)).max())
        loss_error = abs(run.metric("loss") - loss) / max(abs(loss), 0.1)
        print(f"{name}, iteration {iteration + 1}: weights moved by {moved:.3g}, differ by {error:.2g}; loss {loss:.4g}, "
              f"by {loss_error:.2g}; explained variance {run.metric('explained_variance'):.3g}")
        assert run.metric("first_ratio_error") == 0
        assert moved > 5e-3 and error < 1e-5 * (1 + 9 * iteration) and loss_error < 1e-5 * (1 + 9 * iteration)
        if normalise:
            return


def main():
    for gaussian in (False, True):
        kind = "Gaussian" if gaussian else "categorical"
        compare(f"CleanRL, {kind}", gaussian, clean_rl, 0.01, False, value_clip=0.2, value_coefficient=0.5)
        compare(f"SB3, {kind}", gaussian, sb3, 0.0, False, value_coefficient=1.0)
    compare("VecNormalize", False, sb3, 0.0, True, value_coefficient=1.0)


if __name__ == "__main__":
    main()
