"""The same PPO recipe, seeds and network here and in stable-baselines3, in turns, on CartPole: environment steps
per second of training, and returns.

    control_sb3.py [--seeds 1,2,3] [--share 1.0] [--threads 1] [--torch 1,2]

Prints a Markdown table. SB3 gets the number of torch threads of --torch with which it is fastest, tried first.
Fails where we are less than 20 times as fast, or the mean return is lower by more than a tenth.
--share: part of the recipe's steps that SB3 trains for in the time of which is taken; the returns need 1.
"""
import argparse
import statistics
import sys
import time

from control_training import Recipe, Training

try:
    import gymnasium
    import numpy as np
    import torch
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env
except ImportError as error:
    print(f"skipped: {error}; wants pip install stable-baselines3==2.9.2")
    sys.exit(77)

WANTED = 20
RECIPES = {
    # CleanRL's ppo.py; half its squared error is SB3's whole one at half the coefficient.
    "CleanRL's, 4 environments": Recipe("CartPole-v1", 500_000, envs=4, rollout=128, minibatch=128, epochs=4,
                                        rate=2.5e-4, anneal=True, entropy=0.01, value=0.25, value_clip=0.2),
    "SB3's defaults, 1 environment": Recipe("CartPole-v1", 100_000),
}


def there(recipe, steps, seed, threads):
    """(seconds, mean return of the last 100 training episodes, evaluation's mean)"""
    torch.set_num_threads(threads)
    r = recipe
    env = make_vec_env(r.env, n_envs=r.envs, seed=seed)
    rate = (lambda left: r.rate * left) if r.anneal else r.rate
    model = PPO("MlpPolicy", env, learning_rate=rate, n_steps=r.rollout, batch_size=r.minibatch, n_epochs=r.epochs,
                gamma=r.gamma, gae_lambda=r.lam, clip_range=r.clip, clip_range_vf=r.value_clip or None,
                ent_coef=r.entropy, vf_coef=r.value, max_grad_norm=r.gradient_norm, seed=seed, device="cpu")
    start = time.perf_counter()
    model.learn(steps)
    seconds = time.perf_counter() - start
    trained = statistics.mean(episode["r"] for episode in model.ep_info_buffer)
    return seconds, trained, evaluate_there(model, r.env)


def evaluate_there(model, name, episodes=20):
    env, returns = gymnasium.make(name), []
    for episode in range(episodes):
        observation, total, ended = env.reset(seed=10000 + episode)[0], 0.0, False
        while not ended:
            observation, reward, terminated, truncated, _ = env.step(model.predict(observation, deterministic=True)[0])
            total += reward
            ended = terminated or truncated
        returns.append(total)
    return float(np.mean(returns))


def here(recipe, seed, threads):
    training = Training(recipe, seed, threads)
    seconds = training.until_done()
    return seconds, training.training_return(), training.evaluate(50).mean


def best_threads(recipe, choices):
    if len(choices) == 1:
        return choices[0]
    steps = 4 * recipe.batch
    times = {threads: there(recipe, steps, 1, threads)[0] for threads in choices}
    return min(times, key=times.get)


def compare(name, recipe, seeds, share, threads, torch_threads):
    """(row of the table, good)"""
    steps = max(recipe.batch, int(recipe.steps * share))
    ours, theirs = [], []
    for seed in seeds:
        ours.append((recipe.iterations * recipe.batch, *here(recipe, seed, threads)))
        theirs.append((-(-steps // recipe.batch) * recipe.batch, *there(recipe, steps, seed, torch_threads)))
        print(f"{name}, seed {seed}: here {ours[-1][0] / ours[-1][1]:,.0f} steps/s, training {ours[-1][2]:.1f}, "
              f"evaluation {ours[-1][3]:.1f}; SB3 {theirs[-1][0] / theirs[-1][1]:,.0f} steps/s, training "
              f"{theirs[-1][2]:.1f}, evaluation {theirs[-1][3]:.1f}", file=sys.stderr, flush=True)
    speed = [sum(each[0] for each in rows) / sum(each[1] for each in rows) for rows in (ours, theirs)]
    returns = [[statistics.mean(each[i] for each in rows) for i in (2, 3)] for rows in (ours, theirs)]
    row = (f"| {name} | {speed[0]:,.0f} | {speed[1]:,.0f} ({torch_threads}) | {speed[0] / speed[1]:.1f} | "
           f"{returns[0][0]:.1f}, {returns[0][1]:.1f} | {returns[1][0]:.1f}, {returns[1][1]:.1f} |")
    good = speed[0] >= WANTED * speed[1] and (share < 1 or returns[0][0] >= 0.9 * returns[1][0])
    return row, good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--torch", default="1,2")
    arguments = parser.parse_args()
    rows, good = [], True
    for name, recipe in RECIPES.items():
        threads = best_threads(recipe, [int(each) for each in arguments.torch.split(",")])
        row, met = compare(name, recipe, [int(seed) for seed in arguments.seeds.split(",")], arguments.share,
                           arguments.threads, threads)
        rows.append(row)
        good &= met
    print("| recipe on CartPole-v1 | steps/s here | steps/s in SB3 (torch threads) | ratio | returns here: training, "
          "evaluation | in SB3 |")
    print("|---|---|---|---|---|---|")
    print("\n".join(rows))
    sys.exit(not good)


if __name__ == "__main__":
    main()
