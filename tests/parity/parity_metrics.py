"""Metrics against scikit-learn and scipy, with ties, missing labels, and classes that do not occur."""
import sys
from pathlib import Path

try:
    import numpy as np
    import scipy.stats
    import sklearn.metrics as reference
    from sklearn.neighbors import KNeighborsClassifier
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples" / "python"))
import fourstage as fst  # noqa: E402

rng = np.random.default_rng(3)
TOLERANCE = 1e-12
checked = 0


def same(name, got, expected, tolerance=TOLERANCE):
    global checked
    checked += 1
    error = np.abs(np.asarray(got, "float64") - np.asarray(expected, "float64")).max()
    assert error <= tolerance, f"{name}: {got} instead of {expected}"


def check_classes(classes, used, count):
    """Classes of which only the first `used` occur."""
    labels = rng.integers(0, used, count).astype("int32")
    predictions = np.where(rng.random(count) < 0.6, labels, rng.integers(0, used, count)).astype("int32")
    labels[rng.random(count) < 0.1] = -1
    there = labels >= 0
    y, p = labels[there], predictions[there]
    confusion = np.full((classes, classes), -7, "int64")
    fst.metrics_confusion(labels, predictions, classes, confusion)
    same("confusion", confusion, reference.confusion_matrix(y, p, labels=range(classes)))
    each = [np.full(classes, np.nan) for _ in range(3)]
    found = fst.metrics_classes(confusion, classes, *each)
    expected = reference.precision_recall_fscore_support(y, p, labels=range(classes), zero_division=0)
    for got, want in zip(each, expected):
        same("each class", got, want)
    same("count", found.count, there.sum())
    same("accuracy", found.accuracy, reference.accuracy_score(y, p))
    same("mcc", found.mcc, reference.matthews_corrcoef(y, p))
    same("f1_micro", found.f1_micro, reference.f1_score(y, p, average="micro"))
    for average, fields in (("macro", ("precision_macro", "recall_macro", "f1_macro")),
                            ("weighted", (None, None, "f1_weighted"))):
        want = reference.precision_recall_fscore_support(y, p, average=average, zero_division=0)
        for field, value in zip(fields, want):
            if field:
                same(field, getattr(found, field), value)


def check_labels(outputs, count):
    labels = (rng.random((count, outputs)) < 0.3).astype("float32")
    labels[:, -1] = 0  # one that nobody has
    scores = rng.random((count, outputs)).astype("float32")
    scores[:, -1] = 0.25
    scores[0, 0] = 0.5
    confusion = np.empty((outputs, 2, 2), "int64")
    found = fst.metrics_labels(labels, scores, count, outputs, 0.5, confusion)
    predicted = (scores >= 0.5).astype("float32")
    same("confusion", confusion, reference.multilabel_confusion_matrix(labels, predicted))
    same("subset accuracy", found.subset_accuracy, reference.accuracy_score(labels, predicted))
    same("accuracy", found.accuracy, (labels == predicted).mean())
    for average in ("micro", "macro"):
        want = reference.precision_recall_fscore_support(labels, predicted, average=average, zero_division=0)
        for field, value in zip(("precision", "recall", "f1"), want):
            same(field, getattr(found, f"{field}_{average}"), value)


def check_missing(outputs, count):
    """With labels missing here and there: label by label what scikit-learn says of those there."""
    labels = (rng.random((count, outputs)) < 0.4).astype("float32")
    labels[rng.random((count, outputs)) < 0.3] = np.nan
    labels[3] = np.nan
    scores = np.where(np.isnan(labels), np.nan, rng.normal(size=labels.shape)).astype("float32")
    confusion = np.empty((outputs, 2, 2), "int64")
    found = fst.metrics_labels(labels, scores, count, outputs, 0, confusion)
    there, predicted = ~np.isnan(labels), scores >= 0
    right = (predicted == (labels == 1)) | ~there
    any_there = there.any(1)
    same("examples", found.examples, any_there.sum())
    same("subset accuracy", found.subset_accuracy, right.all(1)[any_there].mean())
    f1 = []
    for k in range(outputs):
        y, p = labels[there[:, k], k], predicted[there[:, k], k]
        same("confusion", confusion[k], reference.confusion_matrix(y, p, labels=[0, 1]))
        f1.append(reference.f1_score(y, p))
    same("f1_macro", found.f1_macro, np.mean(f1))
    same("f1_micro", found.f1_micro, reference.f1_score(labels[there], predicted[there]))


def check_numbers(context, count, step):
    """step: coarser values have more ties; 0: none."""
    x = rng.normal(size=count).astype("float32") + np.float32(1000)
    y = (0.5 * x + rng.normal(size=count)).astype("float32")
    if step:
        x, y = (np.round(values / step) * np.float32(step) for values in (x, y))
    pearson, spearman = fst.metrics_correlation(context, x, y)
    same("pearson", pearson, scipy.stats.pearsonr(x.astype("float64"), y.astype("float64")).statistic, 1e-9)
    same("spearman", spearman, scipy.stats.spearmanr(x, y).statistic)
    labels = y.copy()
    labels[rng.random(count) < 0.2] = np.nan
    there = ~np.isnan(labels)
    found = fst.metrics_regression(context, labels,
                                   np.where(there, x, np.nan).astype("float32"))
    a, b = labels[there].astype("float64"), x[there].astype("float64")
    same("rmse", found.rmse, reference.root_mean_squared_error(a, b), 1e-9)
    same("mae", found.mae, reference.mean_absolute_error(a, b), 1e-9)
    same("pearson", found.pearson, scipy.stats.pearsonr(a, b).statistic, 1e-9)
    same("spearman", found.spearman, scipy.stats.spearmanr(a, b).statistic)


def check_neighbours(context, count, width, k, temperature):
    """temperature 0: a vote each."""
    rows, asked = (rng.normal(size=(n, width)).astype("float32") for n in (count, 200))
    labels = rng.integers(0, 4, count).astype("int32")
    rows += 0.5 * labels[:, None].astype("float32")
    told = np.full(200, -7, "int32")
    fst.metrics_knn(context, rows, labels, count, asked, 200, width, 4, k, temperature, told)
    votes = KNeighborsClassifier(
        k, metric="cosine", algorithm="brute",
        weights=(lambda d: np.exp((1 - d) / temperature)) if temperature else "uniform",
    ).fit(rows.astype("float64"), labels).predict_proba(asked.astype("float64"))
    best = np.sort(votes, 1)
    clear = best[:, -1] - best[:, -2] > 1e-4  # of equal votes, the two have rules of their own
    assert clear.mean() > 0.5
    same("neighbours", told[clear], votes.argmax(1)[clear])


def main():
    for count in (5, 60, 3000):
        check_classes(2, 2, count)
        check_classes(7, 5, count)
        check_labels(4, count)
        check_missing(3, max(count, 20))
        with fst.Context(threads=1) as context:
            for k, temperature in ((1, 0), (7, 0), (7, 0.07), (50, 0.5)):
                check_neighbours(context, max(count, 60), 16, k, temperature)
            for step in (0, 0.5, 2):
                check_numbers(context, max(count, 20), step)
    print(f"{checked} figures agree")


if __name__ == "__main__":
    main()
