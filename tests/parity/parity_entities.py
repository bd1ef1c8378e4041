"""Entities in random tag sequences of every scheme, read and counted as seqeval does, both ways."""
import sys
import warnings
from pathlib import Path

try:
    import numpy as np
    from seqeval.metrics.sequence_labeling import precision_recall_fscore_support as lenient_figures
    from seqeval.metrics.sequence_labeling import get_entities
    from seqeval.metrics.v1 import precision_recall_fscore_support as strict_figures
    from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, IOE1, IOE2, Entities, auto_detect
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "python"))
import fourstage as fst  # noqa: E402

warnings.simplefilter("ignore")  # seqeval's, about ratios without a denominator
rng = np.random.default_rng(11)
SCHEMES = [(fst.TAGS_IOB1, IOB1, "IB"), (fst.TAGS_IOB2, IOB2, "IB"), (fst.TAGS_IOE1, IOE1, "IE"),
           (fst.TAGS_IOE2, IOE2, "IE"), (fst.TAGS_IOBES, IOBES, "IBES"), (fst.TAGS_BILOU, BILOU, "IBLU")]
TYPES = ["PER", "LOC", "WORK-OF-ART", "数", "-odd-", "a"]
checked = 0


def equal(name, got, expected):
    global checked
    checked += 1
    assert np.array_equal(np.asarray(got), np.asarray(expected)), f"{name}: {got} instead of {expected}"


def sequences(tags, count, outside):
    """Random lengths, one of them 1; stretches of "O" so that entities are told from each other."""
    share = np.full(len(tags), (1 - outside) / (len(tags) - 1))
    share[0] = outside
    return [rng.choice(len(tags), size=rng.integers(1, 25), p=share).astype("int32") for _ in range(count)]


def disturbed(labels, tags, rate):
    return [np.where(rng.random(len(s)) < rate, rng.integers(0, len(tags), len(s)), s).astype("int32")
            for s in labels]


def names(batches, tags):
    return [[tags[i] for i in s] for s in batches]


def close(name, got, expected, types):
    """numpy adds eight and more types in another order; its mean of no type at all is NaN, ours 0."""
    global checked
    checked += 1
    expected = 0 if np.isnan(expected) and not types else expected
    assert abs(got - expected) <= 1e-15 * len(TYPES), f"{name}: {got} instead of {expected}"


def compare_figures(counter, figures):
    found = counter.get_metrics()
    precision, recall, f1, support = figures(average=None)
    every = [counter.get_type(i) for i in range(counter.get_type_count())]
    every = [t for t in every if t.labelled or t.predicted]
    equal("precision of each", [t.precision for t in every], precision)
    equal("recall of each", [t.recall for t in every], recall)
    equal("f1 of each", [t.f1 for t in every], f1)
    equal("support", [t.labelled for t in every], support)
    micro = figures(average="micro")
    equal("micro", [found.precision, found.recall, found.f1, found.labelled], micro)
    for average in ("macro", "weighted"):
        for field, value in zip(("precision", "recall", "f1"), figures(average=average)):
            close(f"{field} {average}", getattr(found, f"{field}_{average}"), value, every)


def spans(counter, tags_of_one, type_names):
    types, begins, ends = counter.find(tags_of_one, len(tags_of_one))
    return [(type_names[t], int(b), int(e)) for t, b, e in zip(types, begins, ends)]


def check(context, number, scheme, prefixes, types, count, outside, rate):
    tags = ["O"] + [f"{p}-{t}" for t in types for p in prefixes]
    labels = sequences(tags, count, outside)
    predictions = disturbed(labels, tags, rate)
    y_true, y_pred = names(labels, tags), names(predictions, tags)
    offsets = np.cumsum([0] + [len(s) for s in labels]).astype("int64")
    for strict in (0, 1):
        with fst.Entities(context, tags, strict, number) as counter:
            half = count // 2  # in two helpings
            if half:
                counter.add(np.concatenate(labels[:half]), np.concatenate(predictions[:half]), offsets[:half + 1], half)
            counter.add(np.concatenate(labels[half:]), np.concatenate(predictions[half:]),
                        offsets[half:] - offsets[half], count - half)
            found = counter.get_metrics()
            equal("tokens", [found.tokens, found.sequences], [offsets[-1], count])
            equal("right", found.right_tokens, sum((a == b).sum() for a, b in zip(labels, predictions)))
            if strict:
                compare_figures(counter, lambda **k: strict_figures(y_true, y_pred, scheme=scheme, **k))
            else:
                compare_figures(counter, lambda **k: lenient_figures(y_true, y_pred, **k))
            type_names = [counter.get_type(i).name for i in range(counter.get_type_count())]
            type_names = [n.decode() if isinstance(n, bytes) else n for n in type_names]
            for ids, text in zip(labels, y_true):
                want = [(e.tag, e.start, e.end) for e in Entities([text], scheme).entities[0]] if strict else \
                    [(t, b, e + 1) for t, b, e in get_entities(text)]
                got = spans(counter, ids, type_names)
                global checked
                checked += 1
                assert got == want, f"{text}: {got} instead of {want}"


def check_detection(context):
    """Which scheme the prefixes tell, of every set of them."""
    letters = "IOBESUL"
    for bits in range(1, 1 << len(letters)):
        tags = [p if p == "O" else f"{p}-x" for i, p in enumerate(letters) if bits >> i & 1]
        try:
            expected = auto_detect([tags]).__name__
        except ValueError:
            expected = None
        try:
            fst.Entities(context, tags, 1, fst.TAGS_AUTO).destroy()
            got = True
        except fst.InvalidArgumentError:
            got = False
        equal(f"{tags}", got, expected is not None)
        if expected:  # the same one: an "S-x" alone, or what it counts, is the scheme's
            number = dict((s.__name__, n) for n, s, _ in SCHEMES)[expected]
            with fst.Entities(context, tags, 1, number), fst.Entities(context, tags, 1, fst.TAGS_AUTO):
                pass


def check_missing(context):
    """Tokens without a label are as if they were not there."""
    tags = ["O", "B-x", "I-x"]
    labels = np.array([1, -100, 2, 0, 1, 2], "int32")
    predictions = np.array([1, 0, 2, 0, 1, -1], "int32")
    with fst.Entities(context, tags, 1, fst.TAGS_IOB2) as counter:
        counter.add(labels, predictions, np.array([0, 6], "int64"), 1)
        found = counter.get_metrics()
        equal("missing", [found.tokens, found.labelled, found.predicted, found.right], [4, 2, 2, 2])
        counter.clear()
        equal("cleared", counter.get_metrics().labelled, 0)


def main():
    with fst.Context(threads=1) as context:
        for number, scheme, prefixes in SCHEMES:
            for outside in (0.05, 0.4, 0.9):
                for rate in (0, 0.2, 1):
                    check(context, number, scheme, prefixes, TYPES[:1], 1, outside, rate)
                    check(context, number, scheme, prefixes, TYPES[:2], 60, outside, rate)
                    check(context, number, scheme, prefixes, TYPES, 60, outside, rate)
        check_detection(context)
        check_missing(context)
    print(f"{checked} figures agree")


if __name__ == "__main__":
    main()
