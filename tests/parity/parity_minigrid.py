"""Grid worlds against MiniGrid: its environment is put into our world, then both take the same random steps.

What the agent sees, the reward and the flags are the same at every step; and MiniGrid's own worlds, many of them, are
laid out as often in each way as ours.
"""
import ctypes
import os
import sys
from collections import Counter
from pathlib import Path

try:
    import numpy as np
    os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    import minigrid
    from minigrid.core.grid import Grid
    from minigrid.core.world_object import Door, Goal, Key, Wall
    from minigrid.envs import DoorKeyEnv, EmptyEnv, FourRoomsEnv
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "python"))
import fourstage as fst  # noqa: E402

STEPS = 5000
EMPTY, WALL, KEY, GOAL, OPEN, CLOSED, LOCKED = range(7)
# MiniGrid's (object, colour, state) of each plane of an observation; nothing in any plane: an empty cell that is seen.
PLANES = [(2, 5, 0), (5, 4, 0), (8, 1, 0), (4, 4, 0), (4, 4, 1), (4, 4, 2), (0, 0, 0)]
WORLDS = {
    "MiniGrid-Empty-5x5-v0": lambda: EmptyEnv(size=5),
    "MiniGrid-DoorKey-5x5-v0": lambda: DoorKeyEnv(size=5),
    "MiniGrid-DoorKey-6x6-v0": lambda: DoorKeyEnv(size=6),
    "MiniGrid-DoorKey-8x8-v0": lambda: DoorKeyEnv(size=8),
    "MiniGrid-FourRooms-v0": lambda: FourRoomsEnv(),
}
THINGS = {WALL: Wall, KEY: lambda: Key("yellow"), GOAL: Goal, OPEN: lambda: Door("yellow", is_open=True),
          CLOSED: lambda: Door("yellow"), LOCKED: lambda: Door("yellow", is_locked=True)}


def ours(name):
    return fst.Env.make(context, name, auto_reset=0)


def put_into(theirs, state):
    side = theirs.width
    theirs.grid = Grid(side, side)
    for i in range(side * side):
        thing = int(state[4 + i])
        if thing != EMPTY:
            theirs.grid.set(i % side, i // side, THINGS[thing]())
    theirs.agent_pos = (int(state[0]), int(state[1]))
    theirs.agent_dir = int(state[2])
    theirs.carrying = Key("yellow") if int(state[3]) == KEY else None
    theirs.step_count = 0


def view_of(planes):
    """[row, column, 3] as MiniGrid encodes it, from [planes, row, column]."""
    assert ((planes == 0) | (planes == 1)).all() and planes.sum(0).max() <= 1
    view = np.zeros((7, 7, 3), dtype="uint8")
    view[planes.sum(0) == 0] = (1, 0, 0)
    for plane, triple in zip(planes, PLANES):
        view[plane == 1] = triple
    return view


def observation_of(env, info):
    batch = env.get_batch()
    address = ctypes.cast(batch.observations, ctypes.POINTER(ctypes.c_float))
    planes = np.ctypeslib.as_array(address, (7, 7, 7)).copy()
    return view_of(planes), batch


def seek(theirs, rng):
    """Mostly what helps, so that keys are picked up, doors opened and goals reached."""
    ahead = theirs.grid.get(*theirs.front_pos)
    if rng.random() < .5 and ahead is not None:
        if ahead.type == "key" and theirs.carrying is None:
            return 3
        if ahead.type == "door" and not ahead.is_open:
            return 5
        if ahead.type == "goal":
            return 2
    return int(rng.choice(7, p=[.15, .15, .4, .08, .06, .12, .04]))


def walk(name):
    theirs, env, rng = WORLDS[name](), ours(name), np.random.default_rng(3)
    info = env.get_info()
    theirs.reset(seed=0)
    assert info.max_steps == theirs.max_steps, (info.max_steps, theirs.max_steps)
    env.reset(1)
    put_into(theirs, env.get_state(0))
    ends, carried, opened = 0, 0, 0
    for step in range(STEPS):
        action = np.array([seek(theirs, rng)], dtype="int32")
        env.step(action)
        observation, reward, terminated, truncated, _ = theirs.step(int(action[0]))
        view, batch = observation_of(env, info)
        # MiniGrid's first index is the column.
        assert (view == observation["image"].transpose(1, 0, 2)).all(), (name, step)
        assert batch.rewards[0] == reward, (name, step, batch.rewards[0], reward)
        assert batch.terminated[0] == terminated, (name, step)
        assert batch.truncated[0] == (truncated and not terminated), (name, step)
        state = env.get_state(0)
        assert tuple(state[:2]) == tuple(theirs.agent_pos) and state[2] == theirs.agent_dir
        carried += theirs.carrying is not None
        opened += any(thing == OPEN for thing in state[4:])
        if terminated or truncated:
            ends += 1
            env.reset_some(np.array([0], dtype="int64"))
            put_into(theirs, env.get_state(0))
            view, _ = observation_of(env, info)
            assert (view == theirs.gen_obs()["image"].transpose(1, 0, 2)).all(), name
    assert ends > 3, (name, ends)
    if "DoorKey" in name:
        assert carried > 100 and opened > 100, (name, carried, opened)
    print(f"{name}: {STEPS} steps, {ends} episodes, {carried} with the key, {opened} with an open door: the same")
    env.destroy()


def layout(cells, side, x, y, direction):
    """What is drawn of a DoorKey world: wall, door, key, agent."""
    door = [i for i, thing in enumerate(cells) if thing == LOCKED][0]
    key = [i for i, thing in enumerate(cells) if thing == KEY][0]
    return door, key, (int(x), int(y)), int(direction)


def distribution(worlds=6000):
    """The layouts of DoorKey-5x5: chi-square of the two samples against each other."""
    side, name = 5, "MiniGrid-DoorKey-5x5-v0"
    theirs, env = WORLDS[name](), ours(name)
    info = env.get_info()
    counts = Counter(), Counter()
    codes = {"wall": WALL, "key": KEY, "goal": GOAL, "door": LOCKED}
    for seed in range(worlds):
        theirs.reset(seed=seed)
        cells = [codes[c.type] if c else EMPTY for c in theirs.grid.grid]
        counts[0][layout(cells, side, *theirs.agent_pos, theirs.agent_dir)] += 1
        env.reset(seed)
        state = env.get_state(0)
        counts[1][layout(state[4:4 + side * side], side, state[0], state[1], state[2])] += 1
    keys = set(counts[0]) | set(counts[1])
    assert set(counts[0]) == set(counts[1]), "a layout that only one of them has"
    square = sum((counts[0][k] - counts[1][k]) ** 2 / (counts[0][k] + counts[1][k]) for k in keys)
    freedom = len(keys) - 1
    assert square < freedom + 4 * (2 * freedom) ** .5, (square, freedom)
    print(f"{name}: {len(keys)} layouts in {worlds} worlds each, chi-square {square:.1f} of {freedom} degrees")
    env.destroy()


context = fst.Context.create()
for world in WORLDS:
    walk(world)
distribution()
context.destroy()
