"""The ctypes module: ownership, errors, options, views, callbacks. Needs numpy."""
import ctypes
import gc
import importlib.util
import os
import signal
import sys
import tempfile
import threading
import time
import unittest
import weakref
from pathlib import Path

try:
    import numpy
except ImportError:
    print(f"{sys.executable} has no numpy")
    sys.exit(77)

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("fourstage", ROOT / "examples/python/fourstage.py")
fourstage = importlib.util.module_from_spec(spec)
sys.modules["fourstage"] = fourstage
spec.loader.exec_module(fourstage)

CONFIG = dict(vocabulary_size=29, context_length=16, layers=2, width=32, heads=4)


def make_batch(rows=3, length=8, seed=0):
    ids = numpy.random.default_rng(seed).integers(0, 29, (rows, length + 1), dtype="int32")
    return fourstage.Batch(rows=rows, length=length, ids=ids[:, :-1], targets=ids[:, 1:])


def parameter_names(model):
    return [model.parameter_name(i) for i in range(model.parameter_count())]


class Handles(unittest.TestCase):
    def test_any_order_of_destruction(self):
        for order in ([0, 1, 2], [2, 1, 0], [0, 2, 1], [1, 0, 2]):
            context = fourstage.Context(threads=1)
            model = fourstage.Model(context, CONFIG)
            handles = [context, model, fourstage.Optimizer(model)]
            del context, model
            for index in order:
                handles[index].destroy()
                handles[index].destroy()

    def test_with_and_use_after(self):
        with fourstage.Context(threads=1) as context:
            self.assertEqual(context.get_info().threads, 1)
        with self.assertRaises(fourstage.StateError):
            context.get_info()
        with self.assertRaises(fourstage.StateError):
            fourstage.Model(context, CONFIG)

    def test_the_context_goes_first(self):
        context = fourstage.Context(threads=1)
        model = fourstage.Model(context, CONFIG)
        context.destroy()
        model.forward(make_batch())
        self.assertGreater(model.loss().loss, 0)

    def test_collection_frees_everything(self):
        live = set()
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        libc.free.argtypes = [ctypes.c_void_p]

        def allocate(size):
            block = libc.malloc(ctypes.c_size_t(size))
            live.add(block)
            return block

        def release(block):
            live.remove(block)
            libc.free(block)

        context = fourstage.Context(threads=1, allocate=allocate, release=release)
        model = fourstage.Model(context, CONFIG)
        optimizer = fourstage.Optimizer(model)
        self.assertGreater(len(live), 10)
        del context
        gc.collect()
        model.forward(make_batch())
        model.loss()
        model.backward()
        optimizer.step()
        del model, optimizer
        gc.collect()
        self.assertEqual(live, set())

    def test_wrong_handle(self):
        with fourstage.Context(threads=1) as context:
            with self.assertRaises(TypeError):
                fourstage.Optimizer(context)


class Errors(unittest.TestCase):
    def setUp(self):
        self.context = fourstage.Context(threads=1)
        self.model = fourstage.Model(self.context, CONFIG)

    def test_kinds_and_text(self):
        with self.assertRaises(fourstage.NotFoundError) as caught:
            self.model.parameter("no such thing")
        self.assertIn("no such thing", str(caught.exception))
        self.assertEqual(caught.exception.status, fourstage.ERR_NOT_FOUND)
        self.assertIsInstance(caught.exception, LookupError)
        with self.assertRaises(ValueError):
            fourstage.Model(self.context, CONFIG, dtype=77)
        with self.assertRaises(fourstage.StateError):
            self.model.backward()
        with self.assertRaises(fourstage.FourstageError):
            fourstage.Model.load(self.context, Path("/nowhere/at/all"))

    def test_each_thread_its_text(self):
        texts = {}

        def fail(name):
            for _ in range(50):
                try:
                    self.model.parameter(name)
                except fourstage.NotFoundError as error:
                    texts.setdefault(name, set()).add(str(error))

        threads = [threading.Thread(target=fail, args=(f"name-{i}",)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for name, found in texts.items():
            self.assertEqual(len(found), 1)
            self.assertIn(name, found.pop())

    def test_bad_ids(self):
        ids = numpy.full((1, 4), 29, "int32")
        with self.assertRaises(fourstage.InvalidArgumentError):
            self.model.forward(fourstage.Batch(rows=1, length=4, ids=ids))


class Options(unittest.TestCase):
    def test_unknown_names_are_refused(self):
        with self.assertRaises(TypeError) as caught:
            fourstage.Context(thread=1)
        self.assertIn("thread", str(caught.exception))
        options = fourstage.ContextOptions()
        with self.assertRaises(TypeError):
            options.sed = 3

    def test_defaults_are_the_librarys(self):
        self.assertEqual(fourstage.ContextOptions().blas_single_thread, 1)
        self.assertEqual(fourstage.ContextOptions().struct_size,
                         ctypes.sizeof(fourstage.ContextOptions))
        self.assertAlmostEqual(fourstage.OptimizerOptions().beta2, 0.999)

    def test_words_and_pairs(self):
        """Arrays of several sizes from one call, and two texts with their lengths."""
        with fourstage.Context() as context:
            tokenizer = fourstage.Tokenizer.train_texts(context, ["a cab"], kind=fourstage.TOKENIZER_WORDPIECE)
            ids, words = tokenizer.encode_words("Cab a")[:2]
            again, same, offsets = tokenizer.encode_words("Cab a", offsets=True)
            self.assertEqual(list(ids), list(again))
            self.assertEqual(list(words), list(same))
            self.assertEqual((words[0], words[1], words[-2], words[-1]), (-1, 0, 1, -1))
            self.assertEqual(offsets.shape, (len(ids), 2))
            self.assertEqual(list(offsets[-2]), [4, 5])
            _, types, words = tokenizer.encode_pair("a", "cab", add_special_tokens=0)
            self.assertEqual((types[0], types[-1], words[0], words[-1]), (0, 1, 0, 0))

    def test_struct_dict_and_keywords(self):
        for given in (fourstage.ContextOptions(threads=2), dict(threads=2)):
            with fourstage.Context(given, seed=numpy.int64(5)) as context:
                self.assertEqual(context.get_info().threads, 2)
        with self.assertRaises(TypeError):
            fourstage.Context([1])
        with self.assertRaises(TypeError):
            fourstage.Context(threads=1.5)

    def test_texts_and_arrays_in_fields(self):
        names = ["embedding.*", "*.bias"]
        options = fourstage.OptimizerOptions(group_patterns=names, group_count=2,
                                             group_learning_rates=[0.0, 0.5])
        del names
        gc.collect()
        self.assertEqual(options.group_patterns[1], b"*.bias")
        self.assertEqual(options.group_learning_rates[1], 0.5)
        options.group_patterns = None
        self.assertFalse(options.group_patterns)


class Views(unittest.TestCase):
    def setUp(self):
        self.context = fourstage.Context(threads=1)
        self.model = fourstage.Model(self.context, CONFIG)

    def test_no_copy(self):
        name = parameter_names(self.model)[0]
        view = self.model.parameter(name)
        view[...] = 0.25
        self.assertTrue((self.model.parameter(name) == 0.25).all())
        self.assertEqual(view.ctypes.data, self.model.parameter(name).ctypes.data)
        self.assertFalse(view.flags.owndata)

    def test_a_view_keeps_its_handle(self):
        view = self.model.parameter(parameter_names(self.model)[0])
        gone = weakref.ref(self.model)
        before = view.copy()
        del self.model
        gc.collect()
        self.assertIsNotNone(gone())
        self.assertTrue((view == before).all())
        del view
        gc.collect()
        self.assertIsNone(gone())

    def test_a_loss_of_ones_own(self):
        """The gradient of cross entropy from numpy equals the library's."""
        batch = make_batch(rows=3, length=8, seed=1)
        self.model.forward(batch)
        loss = self.model.loss()
        self.model.backward()
        names = parameter_names(self.model)
        theirs = {name: self.model.gradient(name).copy() for name in names}
        self.model.zero_gradients()

        self.model.forward(batch)
        logits = self.model.output("logits")
        self.assertEqual(logits.shape, (3, 8, 29))
        targets = numpy.ctypeslib.as_array(batch.targets, (3, 8))
        shifted = logits - logits.max(-1, keepdims=True)
        probabilities = numpy.exp(shifted) / numpy.exp(shifted).sum(-1, keepdims=True)
        picked = numpy.take_along_axis(probabilities, targets[..., None].astype("int64"), -1)
        self.assertAlmostEqual(float(-numpy.log(picked).mean()), loss.loss / loss.weight, places=5)
        gradient = probabilities.copy()
        numpy.put_along_axis(gradient, targets[..., None].astype("int64"), picked - 1, -1)
        gradient /= 24
        # Any strides: a transposed copy seen the right way round.
        gradient = gradient.transpose(2, 1, 0).copy().transpose(2, 1, 0)
        self.model.backward("logits", gradient)
        for name in names:
            mine = self.model.gradient(name)
            scale = numpy.linalg.norm(theirs[name])
            self.assertLessEqual(numpy.linalg.norm(mine - theirs[name]), 1e-4 * scale + 1e-7, name)

    def test_arrays_that_do_not_fit(self):
        with self.assertRaises(OverflowError):
            fourstage.Batch(rows=1, length=1, ids=numpy.array([[1 << 40]]))
        with self.assertRaises(TypeError):
            fourstage.Batch(rows=1, length=1, ids=numpy.array([[1.5]]))
        batch = fourstage.Batch(rows=1, length=2, ids=numpy.array([[3, 4]], "int64"))
        self.assertEqual([batch.ids[0], batch.ids[1]], [3, 4])


class Callbacks(unittest.TestCase):
    def test_what_a_callback_raises_comes_back(self):
        class Mine(Exception):
            pass

        def allocate(size):
            raise Mine("no memory today")

        with self.assertRaises(Mine):
            fourstage.Context(threads=1, allocate=allocate, release=lambda block: None)
        # And is not raised a second time.
        fourstage.Context(threads=1).destroy()

    def test_allocations_that_fail_one_after_the_other(self):
        libc = ctypes.CDLL(None)
        libc.malloc.restype = ctypes.c_void_p
        libc.free.argtypes = [ctypes.c_void_p]
        left, live = [0], [0]

        def allocate(size):
            if left[0] <= 0:
                return None
            left[0] -= 1
            live[0] += 1
            return libc.malloc(ctypes.c_size_t(size))

        def release(block):
            live[0] -= 1
            libc.free(block)

        for count in range(200):
            left[0] = count
            try:
                context = fourstage.Context(threads=1, allocate=allocate, release=release)
            except MemoryError:
                self.assertEqual(live[0], 0)
                continue
            context.destroy()
            self.assertEqual(live[0], 0)
            self.assertGreater(count, 0)
            return
        self.fail("a context took more than 200 allocations")


class Environments(unittest.TestCase):
    """A walker on the numbers from 0, done at 5, in Python."""

    def setUp(self):
        self.context = fourstage.Context(threads=1)
        self.places, self.error = {}, None

    def reset(self, rows, indices, seeds):
        for e in indices:
            self.places[e] = 0
        rows.observations[indices] = 0

    def step(self, rows, indices):
        if self.error:
            raise self.error
        for e in indices:
            self.places[e] += int(rows.actions[e])
            rows.observations[e] = self.places[e]
            rows.rewards[e] = 1
            rows.terminated[e] = self.places[e] == 5

    def load(self, index, state):
        self.places[index] = state[0]

    def make(self, **fields):
        return fourstage.Env.from_functions(
            self.context, self.reset, self.step, fourstage.Space(shape=[1]),
            fourstage.Space(kind=fourstage.SPACE_DISCRETE, n=2), count=3, name="walk", **fields)

    def test_a_policy_acts(self):
        env = self.make()
        policy = fourstage.Policy.create_control(self.context, observation_space=env.observation_space(),
                                                 action_space=env.action_space())
        values = numpy.zeros(3, "float32")
        actions = policy.act([[0], [1], [4]], values=values, deterministic=1)
        self.assertEqual((actions.shape, actions.dtype), ((3,), numpy.int32))
        given = numpy.zeros(3, "int32")
        self.assertIs(policy.act(numpy.array([[0], [1], [4]]), given, masks=numpy.array([[1, 0]] * 3, "uint8")), given)
        self.assertEqual(given.tolist(), [0, 0, 0])
        self.assertTrue(values.any())
        env.reset(1)
        env.step(actions)
        with self.assertRaisesRegex(ValueError, "actions has 2 elements, expected 3"):
            policy.act([[0], [1], [4]], given[:2])
        with self.assertRaisesRegex(ValueError, "observations has the shape"):
            policy.act([])

    def test_steps(self):
        env = self.make(render=lambda index, kind: "é" * 3000)
        env.reset(1)
        rows = env.rows()
        for _ in range(4):
            env.step([0, 1, 1])   # int64 becomes int32
        self.assertEqual(rows.observations[:, 0].tolist(), [0, 4, 4])
        env.step_some([1], [0, 1, 1])
        self.assertEqual(rows.observations[:, 0].tolist(), [0, 0, 4])
        self.assertEqual((rows.final_observations[1, 0], rows.terminated[1], rows.begins[1]), (5, 1, 1))
        self.assertEqual(rows.episode_lengths.tolist(), [4, 5, 4])
        self.assertEqual(env.render(0, fourstage.RENDER_TEXT), "é" * 3000)
        with self.assertRaisesRegex(ValueError, "expected"):
            env.step([0, 1])
        with self.assertRaisesRegex(fourstage.InvalidArgumentError, "walk: environment 2, .* action is 2"):
            env.step([0, 1, 2])
        with self.assertRaises(TypeError):
            env.step([0.5, 1, 1])

    def test_what_a_callback_raises_comes_back(self):
        env = self.make()
        env.reset(1)
        self.error = KeyError("gone")
        with self.assertRaises(KeyError):
            env.step([0, 0, 0])
        self.error = None
        with self.assertRaises(fourstage.StateError):
            env.step([0, 0, 0])
        env.reset(2)
        env.step([0, 0, 0])
        self.error = KeyboardInterrupt()   # a stop: the step was not taken
        with self.assertRaises(KeyboardInterrupt):
            env.step([1, 1, 1])
        self.error = None
        env.step([1, 1, 1])
        self.assertEqual(env.rows().observations[:, 0].tolist(), [1, 1, 1])

    def test_states(self):
        env = self.make(state_bytes=1, save=lambda index: bytes([self.places[index]]), load=self.load)
        env.reset(1)
        env.step([1, 1, 0])
        state = env.get_state(1)
        env.step([1, 1, 0])
        env.set_state(1, state)
        self.assertEqual((self.places[1], env.rows().observations[1, 0]), (1, 1))
        built = fourstage.Env.make(self.context, "CartPole-v1")
        built.reset(1)
        built.set_state(0, [0, 1, 0, 0])
        built.step([1])
        self.assertAlmostEqual(built.get_state(0)[0], 0.02)

    def test_bad_numbers(self):
        env = self.make()
        env.reset(1)
        self.places[2] = float("nan")
        with self.assertRaisesRegex(fourstage.NumericError, "walk: environment 2, episode 0, step 1: observation"):
            env.step([0, 0, 0])


def make_run(context, **options):
    ids = numpy.random.default_rng(3).integers(0, 29, 2000).astype("int32")
    train = fourstage.Dataset.from_tokens(context, ids).pack(length=8)
    model = fourstage.Model(context, CONFIG)
    return fourstage.pretrain_create(model=model, train=train, rows=4, **options), model


class Runs(unittest.TestCase):
    def setUp(self):
        self.context = fourstage.Context(threads=1)

    def test_steps_and_metrics(self):
        run, _ = make_run(self.context, run=dict(total_steps=5))
        progress = run.step()
        self.assertEqual((progress.step, progress.status), (1, fourstage.OK))
        self.assertEqual(run.until(0), fourstage.OK)
        self.assertEqual(run.get_info().step, 5)
        self.assertAlmostEqual(run.metrics()["loss"], numpy.log(29), delta=1)
        self.assertEqual(run.get_info().stage, "pretrain")
        with self.assertRaises(fourstage.StateError):
            run.step()

    def test_a_run_keeps_all_it_uses(self):
        run, model = make_run(self.context)
        del model, self.context
        gc.collect()
        run.until(3)
        self.assertEqual(run.get_info().step, 3)

    def test_progress_stops_and_raises(self):
        seen = []

        def progress(now):
            seen.append(now.step)
            return 1 if now.step == 2 else None

        run, _ = make_run(self.context, run=fourstage.RunOptions(progress=progress))
        self.assertEqual(run.until(100), fourstage.STOPPED)
        self.assertEqual(seen, [1, 2])

        class Mine(Exception):
            pass

        def fails(now):
            if now.step == 3:
                raise Mine(now.step)

        run, _ = make_run(self.context, run=dict(progress=fails))
        with self.assertRaises(Mine) as caught:
            run.until(100)
        self.assertEqual(caught.exception.args, (3,))
        self.assertEqual(run.get_info().step, 3)
        run.until(5)
        self.assertEqual(run.get_info().step, 5)

    def test_reentry_is_refused(self):
        statuses = []

        def progress(now):
            try:
                run.step()
            except fourstage.BusyError as error:
                statuses.append(error.status)

        run, _ = make_run(self.context, run=dict(progress=progress))
        run.until(2)
        self.assertEqual(statuses, [fourstage.ERR_BUSY] * 2)

    def test_cancel_from_another_thread(self):
        run, _ = make_run(self.context)
        timer = threading.Timer(0.2, run.cancel)
        timer.start()
        self.assertEqual(run.until(1 << 40), fourstage.STOPPED)
        timer.join()

    def interrupted(self, run):
        timer = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with self.assertRaises(KeyboardInterrupt):
            run.until(1 << 40)
        timer.join()

    def test_ctrl_c_stops_at_a_step_and_the_run_goes_on(self):
        before = signal.getsignal(signal.SIGINT)
        with tempfile.TemporaryDirectory() as folder:
            run, model = make_run(self.context)
            self.interrupted(run)
            self.assertIs(signal.getsignal(signal.SIGINT), before)
            step = run.get_info().step
            self.assertGreater(step, 0)
            run.save(Path(folder) / "run.safetensors")
            run.until(step + 3)
            expected = {name: model.parameter(name).copy() for name in model.parameter_names()}

            resumed, other = make_run(self.context)
            resumed.resume(Path(folder) / "run.safetensors")
            self.assertEqual(resumed.get_info().step, step)
            resumed.until(step + 3)
            for name, value in expected.items():
                self.assertTrue((other.parameter(name) == value).all(), name)

    def test_ctrl_c_inside_a_slow_callback(self):
        def slow(now):
            time.sleep(30)

        run, _ = make_run(self.context, run=dict(progress=slow))
        began = time.monotonic()
        self.interrupted(run)
        self.assertLess(time.monotonic() - began, 10)
        self.assertEqual(run.get_info().step, 1)

    def test_a_handler_of_the_hosts_is_called(self):
        heard = []
        before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
        try:
            run, _ = make_run(self.context)
            timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
            timer.start()
            self.assertEqual(run.until(1 << 40), fourstage.STOPPED)
            timer.join()
            self.assertEqual(heard, [signal.SIGINT])
        finally:
            signal.signal(signal.SIGINT, before)

    def test_what_a_step_costs_more_than_in_c(self):
        """run.step() with the library's function replaced by one that does nothing."""
        run, _ = make_run(self.context)
        run.step()
        real = fourstage._fst_run_step
        nothing = fourstage._bind("fst_abi_version", ctypes.c_int32)
        nothing.argtypes = real.argtypes
        callback = run._keep[0]._keep["run"]._keep["progress"]
        progress = fourstage.RunProgress()
        try:
            best = float("inf")
            fourstage._fst_run_step = lambda *arguments: nothing(*arguments)
            for _ in range(30):
                began = time.perf_counter()
                for _ in range(100):
                    run.step()
                    callback(ctypes.pointer(progress), None)
                best = min(best, (time.perf_counter() - began) / 100)
        finally:
            fourstage._fst_run_step = real
        print(f"a step from Python costs {best * 1e6:.1f} µs more, its callback included")
        self.assertLess(best, 20e-6)


class Objectives(unittest.TestCase):
    def test_arrays_tell_the_count(self):
        old = numpy.zeros(3, "float32")
        gradient = numpy.empty(3, "float32")
        found = fourstage.Loss.policy(old, old, [1, -1, 2], gradient=gradient, clip_high=0.28)
        self.assertAlmostEqual(found.loss, -2 / 3)
        numpy.testing.assert_allclose(gradient, [-1 / 3, 1 / 3, -2 / 3], rtol=1e-6)
        with self.assertRaisesRegex(ValueError, "advantages has 2 elements, log_probabilities has 3"):
            fourstage.Loss.policy(old, old, [1, 2])
        self.assertAlmostEqual(fourstage.Loss.kl(fourstage.KL_K2, old + 1, old), 0.5)

    def test_plain_data_is_changed_in_place(self):
        baseline = fourstage.Baseline()
        advantages = numpy.empty(2, "float32")
        fourstage.advantages_baseline(baseline, [1, 3], advantages)
        self.assertEqual((baseline.mean, baseline.updates), (2, 1))
        numpy.testing.assert_allclose(advantages, [-1, 1])


class Examples(unittest.TestCase):
    def setUp(self):
        self.context = fourstage.Context(threads=1)
        self.tokenizer = fourstage.Tokenizer.train_texts(self.context, ["a"], vocabulary_size=257,
                                                         special_tokens=["<|endoftext|>"],
                                                         special_token_count=1)

    def text(self, ids):
        return "".join("$" if i == 0 else self.tokenizer.token(int(i)).decode() for i in ids)

    def test_chat(self):
        ids, trained = fourstage.chat_encode(self.tokenizer, None, [("user", "hi"), ("assistant", "ho")])
        self.assertEqual(self.text(ids), "hiho$")
        self.assertEqual(list(trained), [0, 0, 1, 1, 1])
        chat = fourstage.ChatTemplate(user_prefix="U:" * 100)
        ids, _ = fourstage.chat_encode(self.tokenizer, chat, [{"role": "user", "content": "hi"}], True)
        self.assertEqual(self.text(ids), "U:" * 100 + "hi")
        with self.assertRaisesRegex(ValueError, "NUL"):
            fourstage.chat_encode(self.tokenizer, None, [("user", "a\0b")])

    def test_conversations(self):
        talks = [[("user", "a"), ("assistant", "b" * n)] for n in range(1, 9)]
        dataset = fourstage.Dataset.from_conversations(self.context, self.tokenizer, talks)
        self.assertEqual(dataset.get_examples_info().trained_tokens, sum(n + 1 for n in range(1, 9)))
        example = dataset.get_example(2)
        ids = numpy.ctypeslib.as_array(example.ids, (example.length,))
        del dataset
        gc.collect()
        self.assertEqual(self.text(ids), "abbb$")

    def test_preferences(self):
        dataset = fourstage.Dataset.from_preferences(self.context, self.tokenizer, ["a", "b"],
                                                     [["c", "d"], ["e", "f", "g"]], margins=[1, 2])
        self.assertEqual(sorted(dataset.order(2, 2, True)), [0, 1])
        ids, targets, lengths = dataset.collate([1, 0], sequences=[2, 1])
        self.assertEqual([self.text(row[:n]) for row, n in zip(ids, lengths)], ["bg$", "ad$"])
        self.assertEqual(targets.tolist()[0][1:], [0, fourstage.IGNORE])
        with self.assertRaisesRegex(ValueError, "2 prompts, 1 lists"):
            fourstage.Dataset.from_preferences(self.context, self.tokenizer, ["a", "b"], [["c", "d"]])
        with self.assertRaisesRegex(ValueError, "sequences has 1 elements, examples has 2"):
            dataset.collate([1, 0], sequences=[2])

    def test_labelled_and_prompts(self):
        labels = numpy.array([[1, numpy.nan], [0, 2]])
        dataset = fourstage.Dataset.from_labelled(self.context, self.tokenizer, ["a", "b"], labels, ["c", "d"])
        self.assertEqual(dataset.get_example(1).labels[1], 2)
        with self.assertRaisesRegex(ValueError, "there are 2 texts"):
            fourstage.Dataset.from_labelled(self.context, self.tokenizer, ["a", "b"], [1])
        prompts = fourstage.Dataset.from_prompts(self.context, self.tokenizer, ["a", "bc"])
        self.assertEqual(prompts.get_example(1).prompt_length, 2)

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.csv"
            path.write_text("words,good\nfine,yes\nbad,no\n")
            dataset = fourstage.Dataset.load_examples(
                self.context, self.tokenizer, [path], kind=fourstage.EXAMPLES_LABELLED, header=1,
                text_field="words", label_fields=["good"], label_values=["yes=1,no=0"], label_count=1)
            self.assertEqual([dataset.get_example(i).labels[0] for i in range(2)], [1, 0])
            path.write_text("words,good\nfine,1\nbad\n")
            with self.assertRaisesRegex(fourstage.FormatError, "a.csv.*line 3"):
                fourstage.Dataset.load_examples(self.context, self.tokenizer, [path], header=1,
                                                kind=fourstage.EXAMPLES_LABELLED, text_field="words",
                                                label_fields=["good"], label_count=1)


class Library(unittest.TestCase):
    def test_version(self):
        self.assertRegex(fourstage.version(), r"^\d+\.\d+\.\d+")
        self.assertEqual(fourstage.abi_version(), 0)
        self.assertEqual(fourstage.status_name(-3), "FST_ERR_IO")

    def test_every_declared_function_is_there(self):
        absent = [name for name, function in fourstage._FUNCTIONS.items()
                  if not isinstance(function, ctypes._CFuncPtr)]
        self.assertEqual(absent, [])


if __name__ == "__main__":
    print(f"library: {os.environ.get('FOURSTAGE_LIBRARY', 'found')}")
    unittest.main(verbosity=2)
