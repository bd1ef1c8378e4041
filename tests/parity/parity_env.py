"""The classic environments against Gymnasium's own: spaces, time limits, and 10,000 random steps of each, every step
from Gymnasium's own state.

Tolerances: state 1e-12; float32 observations one unit in the last place; rewards and flags exactly. FrozenLake: all
fields and ways, each possible outcome, its reward and its flag, and how often it happens.
"""
import sys
import unittest
from pathlib import Path

try:
    import gymnasium
    import numpy as np
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "python"))
import fourstage as fst  # noqa: E402

STEPS, STATE = 10000, 1e-12
NAMES = ["CartPole-v0", "CartPole-v1", "Acrobot-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1"]
LAKES = ["FrozenLake-v1", "FrozenLake8x8-v1"]
MOTORS = {"Acrobot-v1": 3, "MountainCar-v0": 1, "MountainCarContinuous-v0": 1}   # the state's speed that it drives
context = fst.Context(threads=1)


def theirs_of(name, **options):
    gymnasium.logger.min_level = gymnasium.logger.ERROR   # "v0 is out of date"
    return gymnasium.make(name, **options)


class Classics(unittest.TestCase):
    def test_spaces_and_limits(self):
        for name in NAMES + LAKES:
            with self.subTest(name):
                theirs, ours = theirs_of(name), fst.Env.make(context, name)
                self.assertEqual(ours.get_info().max_steps, theirs.spec.max_episode_steps)
                self.same_space(ours.observation_space(), theirs.observation_space)
                self.same_space(ours.action_space(), theirs.action_space)

    def same_space(self, ours, theirs):
        if isinstance(theirs, gymnasium.spaces.Discrete):
            self.assertEqual((ours.kind, ours.n), (fst.SPACE_DISCRETE, theirs.n))
            return
        self.assertEqual(ours.kind, fst.SPACE_BOX)
        self.assertEqual(tuple(ours.shape[:ours.rank]), theirs.shape)
        np.testing.assert_array_equal(ours.array("low", *theirs.shape), theirs.low)
        np.testing.assert_array_equal(ours.array("high", *theirs.shape), theirs.high)

    def test_steps(self):
        for name in NAMES:
            with self.subTest(name):
                self.steps(name)

    def steps(self, name):
        theirs, ours = theirs_of(name), fst.Env.make(context, name, auto_reset=0)
        theirs.action_space.seed(11)
        theirs.reset(seed=5)
        ours.reset(7)
        rows = ours.rows()
        error, ulps, ends, episode = 0.0, 0.0, 0, 0
        for step in range(STEPS):
            plain = theirs.unwrapped
            ours.set_state(0, np.asarray(plain.state, "float64"))
            action = theirs.action_space.sample()
            # Chance never gets there: every other episode, the motor works with the motion.
            if name in MOTORS and episode % 2 == 0:
                forward = plain.state[MOTORS[name]] >= 0
                action = (2 if forward else 0) if name != "MountainCarContinuous-v0" else \
                    np.array([0.999 if forward else -0.999], "float32")
            observation, reward, terminated, truncated, _ = theirs.step(action)
            ours.step(np.asarray(action).reshape(1, -1))
            error = max(error, np.abs(ours.get_state(0) - np.asarray(plain.state, "float64")).max())
            units = np.abs(rows.observations[0].astype("float64") - observation) / np.spacing(np.abs(observation))
            ulps = max(ulps, units.max())
            self.assertEqual(rows.rewards[0], float(reward), f"reward of step {step}")
            self.assertEqual((rows.terminated[0], rows.truncated[0]), (terminated, truncated and not terminated),
                             f"flags of step {step}")
            if terminated or truncated:
                ends += terminated
                episode += 1
                theirs.reset()
                ours.reset_some([0])
        print(f"{name}: state {error:.2e}, observation {ulps:g} units in the last place, {ends} of {episode} episodes terminated")
        self.assertLessEqual(error, STATE)
        self.assertLessEqual(ulps, 1)
        if name != "Pendulum-v1":
            self.assertGreater(ends, 0, "the end of a task is never met")

    def test_first_states(self):
        """Ranges and means of the states in which episodes begin."""
        ranges = {"CartPole-v1": [(-.05, .05)] * 4, "Acrobot-v1": [(-.1, .1)] * 4,
                  "MountainCar-v0": [(-.6, -.4), (0, 0)], "MountainCarContinuous-v0": [(-.6, -.4), (0, 0)],
                  "Pendulum-v1": [(-np.pi, np.pi), (-1, 1)]}
        count = 4000
        for name, bounds in ranges.items():
            env = fst.Env.make(context, name, count=count)
            env.reset(1)
            states = np.array([env.get_state(e) for e in range(count)])
            for column, (low, high) in zip(states.T, bounds):
                self.assertTrue((column >= low - 1e-8).all() and (column <= high + 1e-8).all())
                self.assertLessEqual(abs(column.mean() - (low + high) / 2), 5 * (high - low) / np.sqrt(12 * count))
                self.assertLessEqual(abs(column.std() - (high - low) / np.sqrt(12)), .05 * (high - low))


class Lakes(unittest.TestCase):
    def test_every_way(self):
        for name in LAKES:
            for slippery in (0, 1):
                with self.subTest(name, slippery=slippery):
                    self.every_way(name, slippery)

    def every_way(self, name, slippery):
        table = theirs_of(name, is_slippery=bool(slippery)).unwrapped.P
        count = 300 if slippery else 2
        env = fst.Env.make(context, name, count=count, slippery=slippery, auto_reset=0)
        for field in table:
            for action, outcomes in table[field].items():
                env.reset(1000 * field + action)
                for e in range(count):
                    env.set_state(e, [field])
                env.step([action] * count)
                rows = env.rows()
                probability = {}
                for p, *outcome in outcomes:
                    probability[tuple(outcome)] = probability.get(tuple(outcome), 0) + p
                got = list(zip(rows.observations.tolist(), rows.rewards.tolist(), rows.terminated.tolist()))
                self.assertLessEqual(set(got), set(probability), f"from {field} by {action}")
                for outcome, p in probability.items():
                    share, deviation = got.count(outcome) / count, np.sqrt(p * (1 - p) / count)
                    self.assertLessEqual(abs(share - p), 5 * deviation + 1e-9, f"from {field} by {action}")


if __name__ == "__main__":
    unittest.main()
