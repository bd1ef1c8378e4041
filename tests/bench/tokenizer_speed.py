"""Encoding speed beside `tokenizers`, one thread each, GPT-2's vocabulary and BERT's, in one run.

FOURSTAGE_LIBRARY names the library.

Prints the best of several rounds for a whole text in one call and for the same text by line. Exits
with 1 if ours is less than three times as fast.
"""
import glob
import os
import sys
import time

os.environ["TOKENIZERS_PARALLELISM"] = "false"
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "parity"))

try:
    import tokenizers
except ImportError:
    tokenizers = None
from tokenizer_library import Library, data_folder, skip


def best(function, rounds=3):
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    if not tokenizers:
        skip("no Python package tokenizers (tests/python-env.sh installs it)")
    from parity_tokenizer import gpt2
    from parity_wordpiece import bert
    library, data = Library(os.environ["FOURSTAGE_LIBRARY"]), data_folder()
    vocabulary, merges, theirs = gpt2(data)
    pairs = {"gpt2": (library.load_gpt2(vocabulary, merges), theirs)}
    for name in ("bert-uncased", "bert-chinese"):
        words = os.path.join(data, "tokenizer", name, "vocab.txt")
        pairs[name] = (library.load(words), bert(words))
    texts = {}
    with open(os.path.join(data, "lm", "tinyshakespeare.txt"), encoding="utf-8") as file:
        texts["tinyshakespeare"] = file.read()
    poems = []
    for path in sorted(glob.glob(os.path.join(data, "lm", "poetry-zh", "*.json"))):
        with open(path, encoding="utf-8") as file:
            poems.append(file.read())
    texts["poetry-zh"] = "\n".join(poems)
    slow = False
    print("%-14s %-16s %-6s %12s %12s %8s" % ("vocabulary", "text", "call", "ours MB/s", "theirs MB/s", "times"))
    for vocabulary, (ours, theirs) in pairs.items():
        for name, text in texts.items():
            if (vocabulary, name) in (("bert-uncased", "poetry-zh"), ("bert-chinese", "tinyshakespeare")):
                continue
            lines = text.splitlines(keepends=True)
            raw, raw_lines = text.encode(), [line.encode() for line in lines]
            for call, mine, other in (
                    ("whole", lambda: ours.encode_bytes(raw), lambda: theirs.encode(text)),
                    ("lines", lambda: [ours.encode_bytes(line) for line in raw_lines],
                     lambda: theirs.encode_batch(lines))):
                a, b = best(mine), best(other)
                slow = slow or b / a < 3
                print("%-14s %-16s %-6s %12.1f %12.1f %8.1f" % (vocabulary, name, call, len(raw) / a / 1e6,
                                                               len(raw) / b / 1e6, b / a))
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
