"""A recipe of PPO on a built-in environment, trained and measured through ctypes; for control_recipes.py and
control_sb3.py."""
import math
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(os.environ.get("FOURSTAGE_SOURCE") or Path(__file__).resolve().parents[2])
sys.path.insert(0, str(ROOT / "examples" / "python"))

import fourstage as fst  # noqa: E402
import numpy as np  # noqa: E402

UNSEEN = 1000003   # the seed of environments that are measured on


@dataclass
class Recipe:
    """SB3's defaults. value is SB3's vf_coef, the weight of (V − R)²; ours weighs the half of it."""
    env: str
    steps: int
    envs: int = 1
    rollout: int = 2048
    minibatch: int = 64
    epochs: int = 10
    rate: float = 3e-4
    anneal: bool = False
    gamma: float = 0.99
    lam: float = 0.95
    clip: float = 0.2
    anneal_clip: bool = False
    entropy: float = 0.0
    value: float = 0.5
    value_clip: float = 0.0
    gradient_norm: float = 0.5
    normalize: bool = False
    normalize_rewards: bool = False
    width: int = 64
    layers: int = 2
    log_std: float = 0.0
    activation: int = 0
    network: int = 1        # FST_NETWORK_MLP
    further: dict = field(default_factory=dict)   # other fields of fst_control_options

    @property
    def batch(self):
        return self.envs * self.rollout

    @property
    def iterations(self):
        return math.ceil(self.steps / self.batch)


class Training:
    def __init__(self, recipe, seed, threads=1):
        self.recipe = r = recipe
        self.context = fst.Context(threads=threads, seed=seed)
        self.env = fst.Env.make(self.context, r.env, count=r.envs)
        self.policy = fst.Policy.create_control(
            self.context, observation_space=self.env.observation_space(), action_space=self.env.action_space(),
            network=r.network, width=r.width, layers=r.layers, activation=r.activation, initial_log_std=r.log_std,
            normalize_observations=int(r.normalize))
        updates = r.epochs * math.ceil(r.batch / r.minibatch)
        self.optimizer = fst.Optimizer.create(
            self.policy.get_model(), learning_rate=r.rate, beta2=0.999, epsilon=1e-5, weight_decay=0,
            clip_norm=r.gradient_norm, schedule=fst.SCHEDULE_LINEAR if r.anneal else fst.SCHEDULE_CONSTANT,
            total_steps=updates * r.iterations)
        self.run = fst.control_create(
            policy=self.policy, optimizer=self.optimizer, env=self.env, steps=r.rollout, minibatch=r.minibatch,
            epochs=r.epochs, gamma=r.gamma, clip=r.clip, anneal_clip=int(r.anneal_clip), value_clip=r.value_clip,
            value_coefficient=2 * r.value, entropy_coefficient=r.entropy,
            normalize_rewards=int(r.normalize_rewards), seed_env=seed,
            run=fst.RunOptions(total_steps=r.iterations), **{"lambda": r.lam}, **r.further)

    def until_done(self):
        """Seconds."""
        start = time.perf_counter()
        self.run.until(0)
        return time.perf_counter() - start

    def training_return(self):
        """Mean of the last 100 episodes of training, exploration included: what CleanRL reports."""
        return self.run.metric("episode_return")

    def evaluate(self, episodes, make=None):
        return evaluate(self.context, self.policy, self.recipe.env, episodes, **(make or {}))


@dataclass
class Figures:
    returns: np.ndarray
    lengths: np.ndarray
    reached: float     # ended with a positive last reward
    failed: float      # with a negative one

    @property
    def mean(self):
        return float(self.returns.mean())


def evaluate(context, policy, name, episodes, **make):
    """The most probable actions, in environments that training has not seen; each of up to 50 environments plays
    the same number of episodes."""
    count = min(episodes, 50)
    each = episodes // count
    env = fst.Env.make(context, name, count=count, **make)
    env.reset(UNSEEN)
    batch, rows = env.get_batch(), env.rows()
    ended = np.zeros(count, "int64")
    returns, lengths, reached, failed = [], [], 0, 0
    while (ended < each).any():
        masks = {} if rows.masks is None else {"masks": rows.masks}
        env.step(policy.act(rows.observations, deterministic=1, begins=rows.begins, **masks))
        terminated, truncated = batch.array("terminated"), batch.array("truncated")
        rewards = batch.array("rewards")
        for e in np.nonzero(terminated | truncated)[0]:
            if ended[e] < each:
                ended[e] += 1
                returns.append(batch.episode_returns[int(e)])
                lengths.append(batch.episode_lengths[int(e)])
                reached += bool(terminated[e] and rewards[e] > 0)
                failed += bool(terminated[e] and rewards[e] < 0)
    env.destroy()
    return Figures(np.array(returns), np.array(lengths), reached / len(returns), failed / len(returns))
