"""PPO on a Gymnasium environment through ctypes; what was learnt is measured in Gymnasium itself.

    python3 gymnasium_ppo.py [--env CartPole-v1] [--steps 100000]

Another environment: name it. One that is not registered, or needs wrappers: change `make`. What matters is its two
spaces: Box of float32 or uint8, Discrete, MultiDiscrete or MultiBinary. What Python raises in an environment comes
out of run.until.
"""
import argparse
import time

import fourstage
import gymnasium
import numpy


def make(name):
    """One environment."""
    return gymnasium.make(name)


def as_action(row):
    """What Gymnasium's step takes: a number for Discrete, else an array."""
    return row if row.shape else int(row)


def vector(context, name, count):
    """So many of them as one batch of the library's."""
    envs = [make(name) for _ in range(count)]

    def reset(rows, indices, seeds):
        for e, seed in zip(indices, seeds):
            rows.observations[e] = envs[e].reset(seed=int(seed) % 2**31)[0]

    def step(rows, indices):
        for e in indices:
            rows.observations[e], rows.rewards[e], rows.terminated[e], rows.truncated[e], _ = \
                envs[e].step(as_action(rows.actions[e]))

    return fourstage.Env.from_functions(context, reset, step, envs[0].observation_space, envs[0].action_space,
                                        count, name=name)


def evaluate(policy, name, episodes):
    """Mean return of the most probable actions, in Gymnasium alone."""
    env, total = make(name), 0.0
    box = isinstance(env.action_space, gymnasium.spaces.Box)
    for episode in range(episodes):
        observation, ended = env.reset(seed=10000 + episode)[0], False
        while not ended:
            action = policy.act(observation, deterministic=1)[0]
            taken = numpy.clip(action, env.action_space.low, env.action_space.high) if box else as_action(action)
            observation, reward, terminated, truncated, _ = env.step(taken)
            total += float(reward)
            ended = terminated or truncated
    return total / episodes


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--env", default="CartPole-v1")
    parser.add_argument("--steps", type=int, default=100000)
    parser.add_argument("--count", type=int, default=8, help="environments beside each other")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    # The recipe of rl-baselines3-zoo for CartPole.
    rollout, minibatch, epochs = 32, 256, 20
    iterations = -(-arguments.steps // (arguments.count * rollout))
    context = fourstage.Context(threads=1, seed=arguments.seed)
    env = vector(context, arguments.env, arguments.count)
    policy = fourstage.Policy.create_control(context, observation_space=env.observation_space(),
                                             action_space=env.action_space())
    run = fourstage.control_create(
        policy=policy, env=env, steps=rollout, minibatch=minibatch, epochs=epochs, learning_rate=1e-3,
        anneal_learning_rate=1, gamma=0.98, anneal_clip=1, seed_env=arguments.seed,
        run=fourstage.RunOptions(total_steps=iterations), **{"lambda": 0.8})
    start = time.perf_counter()
    for part in range(1, 11):
        run.until(max(1, iterations * part // 10))
        print(f"{run.get_info().step * arguments.count * rollout:8} steps  return {run.metric('episode_return'):8.2f}"
              f"  {time.perf_counter() - start:5.1f} s", flush=True)
    print(f"evaluation {evaluate(policy, arguments.env, 20):.2f}")


if __name__ == "__main__":
    main()
