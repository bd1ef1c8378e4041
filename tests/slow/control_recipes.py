"""Published recipes and targets of reinforcement learning in environments, every seed printed.

    control_recipes.py [NAME ...] [--seeds 1,2,3] [--threads 1] [--player PROGRAM]

Fails where a target is missed. Names: cleanrl-cartpole zoo-cartpole acrobot pendulum mountaincar doorkey robot
connect-four (the last one needs the program examples/control to play the matches: --player).
"""
import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from control_training import Recipe, Training

# CleanRL's ppo.py: half the squared error times .5; the clip of the values with it.
CLEANRL = Recipe("CartPole-v1", 500_000, envs=4, rollout=128, minibatch=128, epochs=4, rate=2.5e-4, anneal=True,
                 entropy=0.01, value=0.25, value_clip=0.2)
# rl-baselines3-zoo, hyperparams/ppo.yml of rl_zoo3 2.9.2.
ZOO_CARTPOLE = Recipe("CartPole-v1", 100_000, envs=8, rollout=32, minibatch=256, epochs=20, rate=1e-3, anneal=True,
                      lam=0.8, gamma=0.98, anneal_clip=True)
ACROBOT = Recipe("Acrobot-v1", 1_000_000, envs=16, rollout=256, epochs=4, lam=0.94, normalize=True,
                 normalize_rewards=True)
PENDULUM = Recipe("Pendulum-v1", 100_000, envs=4, rollout=1024, rate=1e-3, anneal=True, gamma=0.9)   # without SDE; annealed
# The zoo's has state-dependent exploration. Without it a wide, slow exploration does: a large initial deviation.
MOUNTAIN_CAR = Recipe("MountainCarContinuous-v0", 100_000, envs=4, rollout=256, minibatch=256, rate=1e-3,
                      gamma=0.999, lam=0.95, normalize=True, normalize_rewards=True, log_std=0.5, entropy=0.01)
DOORKEY = Recipe("MiniGrid-DoorKey-5x5-v0", 200_000, envs=8, rollout=128, rate=1e-3, anneal=True, entropy=0.01)
ROBOT = Recipe("RobotNavigation-v0", 2_000_000, envs=32, rollout=256, minibatch=1024, epochs=6, rate=6e-4,
               anneal=True, normalize=True, log_std=-0.5)


def training_return(training, least):
    value = training.training_return()
    return value, value >= least, f"last 100 training episodes {value:.2f}"


def evaluation(training, least, episodes):
    figures = training.evaluate(episodes)
    return figures.mean, figures.mean >= least, (
        f"{episodes} episodes {figures.mean:.2f} ± {figures.returns.std():.2f}, least {figures.returns.min():.2f}; "
        f"training {training.training_return():.2f}")


def worlds(training, least, episodes):
    figures = training.evaluate(episodes)
    return figures.reached, figures.reached >= least, (
        f"{episodes} unseen worlds: reached {100 * figures.reached:.1f} %, collided {100 * figures.failed:.1f} %, "
        f"return {figures.mean:.2f}, {figures.lengths.mean():.0f} steps")


RECIPES = {
    "cleanrl-cartpole": (CLEANRL, "training return ≥ 485", lambda t: training_return(t, 485)),
    "zoo-cartpole": (ZOO_CARTPOLE, "evaluation 500", lambda t: evaluation(t, 500, 100)),
    "acrobot": (ACROBOT, "evaluation ≥ −90", lambda t: evaluation(t, -90, 100)),
    "pendulum": (PENDULUM, "evaluation ≥ −250", lambda t: evaluation(t, -250, 100)),
    "mountaincar": (MOUNTAIN_CAR, "evaluation > 90", lambda t: evaluation(t, 90, 100)),
    "doorkey": (DOORKEY, "evaluation ≥ .95", lambda t: evaluation(t, 0.95, 100)),
    "robot": (ROBOT, "≥ 95 % of 1,000 unseen worlds without collision", lambda t: worlds(t, 0.95, 1000)),
}
ONE_SEED = ("robot",)    # minutes each


def run_recipe(name, seeds, threads):
    recipe, target, measure = RECIPES[name]
    print(f"{name}: {recipe.env}, {recipe.steps:,} steps; target: {target}", flush=True)
    good, values = True, []
    for seed in seeds[:1] if name in ONE_SEED else seeds:
        training = Training(recipe, seed, threads)
        seconds = training.until_done()
        value, met, text = measure(training)
        values.append(value)
        good &= met
        print(f"  seed {seed}: {text}; {seconds:.1f} s, {recipe.iterations * recipe.batch / seconds:,.0f} steps/s"
              f"{'' if met else '  MISSED'}", flush=True)
    print(f"  mean {sum(values) / len(values):.3f}", flush=True)
    return good


def run_connect_four(program, seeds, threads):
    """Self-play, then 500 games moving first against alpha-beta of depth 4."""
    print("connect-four: target: ≥ 60 % of games won against depth-4 alpha-beta, moving first", flush=True)
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds[:1]:
            start = time.perf_counter()
            text = subprocess.run([program, "connect-four", "--output", folder, "--seed", str(seed), "--threads",
                                   str(threads), "--match", "500", "--depth", "4"], stdout=subprocess.PIPE,
                                  check=True).stdout.decode()
            result = text.strip().splitlines()[-1]
            met = float(result.split("won ")[1].split(" %")[0]) >= 60
            good &= met
            print(f"  seed {seed}: {result}; {time.perf_counter() - start:.0f} s{'' if met else '  MISSED'}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--player", type=Path)
    arguments = parser.parse_args()
    seeds = [int(seed) for seed in arguments.seeds.split(",")]
    good = True
    for name in arguments.names or [*RECIPES, *(["connect-four"] if arguments.player else [])]:
        if name == "connect-four":
            good &= run_connect_four(arguments.player, seeds, arguments.threads)
        else:
            good &= run_recipe(name, seeds, arguments.threads)
    sys.exit(not good)


if __name__ == "__main__":
    main()
