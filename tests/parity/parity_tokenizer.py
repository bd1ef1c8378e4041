"""The library's ids beside those of Hugging Face `tokenizers`: the same text, the same ids.

usage: parity_tokenizer.py [random strings per family]

FOURSTAGE_LIBRARY names the library.
"""
import glob
import json
import os
import random
import sys
import tempfile
import unicodedata

os.environ["TOKENIZERS_PARALLELISM"] = "false"
try:
    import tokenizers
    from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers import processors, trainers
except ImportError:
    tokenizers = None

from tokenizer_library import Library, data_folder, skip

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = (CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace("{1,3}", "")
# Nobody's own: it has no scanner and goes to PCRE2.
ODD = r"\p{Lu}?\p{Ll}+|\p{Nd}{1,2}|\s+|."


def byte_level(prefix=False, regex=True):
    return pre_tokenizers.ByteLevel(add_prefix_space=prefix, use_regex=regex)


def split_then_bytes(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), byte_level(regex=False)])


def gpt2(data):
    folder = os.path.join(data, "tokenizer", "gpt2")
    vocabulary, merges = os.path.join(folder, "vocab.json"), os.path.join(folder, "merges.txt")
    theirs = Tokenizer(models.BPE.from_file(vocabulary, merges))
    theirs.pre_tokenizer = byte_level()
    theirs.decoder = decoders.ByteLevel()
    theirs.add_special_tokens(["<|endoftext|>"])
    return vocabulary, merges, theirs


def strings_in(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings_in(item)


def texts_of(data):
    """All of lm/: the English whole and by line, the Chinese files whole and by verse."""
    with open(os.path.join(data, "lm", "tinyshakespeare.txt"), encoding="utf-8") as file:
        english = file.read()
    yield english
    yield from english.splitlines(keepends=True)
    for path in sorted(glob.glob(os.path.join(data, "lm", "poetry-zh", "*.json"))):
        with open(path, encoding="utf-8") as file:
            text = file.read()
        yield text
        yield from strings_in(json.loads(text))


INTERESTING = ["'s", "'S", "'ll", "'LL", "'re", "'ve", "'\u017f", " ", "  ", "\t", "\n", "\r\n", "\n\n", "a", "Hello",
               "123", "4567", "\u00bd", "\u0301", "e\u0301", "\u1100\u1161\u11a8", "\u4f60\u597d", "\u3000", "\u00a0",
               "\u200b", "\u180e", "\u2028", "\U0001f600", "\u200d", "!", "...", "<|endoftext|>", "<|a|>", "<tool>",
               "\u0130", "\u212b", "\u0344", "\u00e5", "\uf900"]


def random_string(rng):
    """A third each: any code points, points of one block with neighbours, and known trouble mixed."""
    kind = rng.randrange(3)
    length = rng.randrange(1, 24)
    if kind == 2:
        return "".join(rng.choice(INTERESTING) for _ in range(length))
    if kind == 1:
        base = rng.choice([0, 0, 0x80, 0x100, 0x300, 0x370, 0x400, 0x590, 0x600, 0x900, 0xe00, 0x1100, 0x1e00,
                           0x2000, 0x2e80, 0x3040, 0x4e00, 0xac00, 0xf900, 0xff00, 0x1d400, 0x1f600, 0x20000])
        points = [base + rng.randrange(0x80) for _ in range(length)]
    else:
        points = [rng.choice([rng.randrange(0x80), rng.randrange(0x10000), rng.randrange(0x110000)])
                  for _ in range(length)]
    return "".join(chr(p) for p in points if not 0xd800 <= p < 0xe000)


class Report:
    def __init__(self):
        self.failures = 0

    def same(self, what, text, ours, theirs):
        if ours == theirs:
            return
        self.failures += 1
        if self.failures <= 20:
            at = next((i for i, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
            print("%s differs at id %d: ours %s, tokenizers %s, text %r"
                  % (what, at, ours[at:at + 8], theirs[at:at + 8], text[:200]))

    def family(self, name, ours, theirs, texts, strings, seed, exact_decode=True, old_only=False):
        before, count = self.failures, 0
        rng = random.Random(seed)
        for text in texts:
            self.same(name, text, ours.encode(text), theirs.encode(text).ids)
            count += 1
        for _ in range(strings):
            text = random_string(rng)
            if old_only:  # where tokenizers' tables for a normal form are older than ours
                text = "".join(c for c in text if unicodedata.ucd_3_2_0.category(c) != "Cn")
            ids = ours.encode(text)
            self.same(name, text, ids, theirs.encode(text).ids)
            if exact_decode and ours.decode(ours.encode(text, False)) != text.encode():
                self.failures += 1
                print("%s: decoding gives another text: %r" % (name, text))
        print("%-28s %6d texts, %6d random strings, %d differences"
              % (name, count, strings, self.failures - before))


def check_vectors(report, ours, data):
    folder = os.path.join(data, "tokenizer", "vectors")
    with open(os.path.join(folder, "gpt-2.inp"), encoding="utf-8") as file:
        inputs = file.read().split("\n__ggml_vocab_test__\n")
    with open(os.path.join(folder, "gpt-2.out"), encoding="utf-8") as file:
        outputs = file.read().split("\n")
    before = report.failures
    for text, line in zip(inputs, outputs):
        report.same("vector", text, ours.encode(text), [int(word) for word in line.split()])
    print("%-28s %6d cases, %d differences" % ("vectors gpt-2", len(inputs), report.failures - before))
    if len(inputs) < 40 or len(outputs) < len(inputs):
        report.failures += 1
        print("vectors: %d inputs and %d outputs" % (len(inputs), len(outputs)))


def check_bytes(report, ours, rounds):
    """Any bytes come back, and the offsets tile them."""
    rng = random.Random(5)
    before = report.failures
    for _ in range(rounds):
        data = bytes(rng.randrange(256) for _ in range(rng.randrange(200)))
        ids, offsets = ours.encode_offsets(data)
        tiled = all(a[1] == b[0] for a, b in zip(offsets, offsets[1:]))
        covered = not offsets or (offsets[0][0] == 0 and offsets[-1][1] == len(data))
        if ours.decode(ids) != data or not tiled or not covered:
            report.failures += 1
            print("bytes: %r does not come back" % data)
    print("%-28s %6d strings, %d differences" % ("random bytes", rounds, report.failures - before))


def trained(path, pre_tokenizer, size=3000, normalizer=None, ignore_merges=False):
    """A tokenizer trained by `tokenizers` in a family's configuration."""
    theirs = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    theirs.pre_tokenizer = pre_tokenizer
    theirs.decoder = decoders.ByteLevel()
    if normalizer:
        theirs.normalizer = normalizer
    theirs.train([path], trainers.BpeTrainer(vocab_size=size, special_tokens=["<|begin|>", "<|end|>"],
                                             initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                             show_progress=False))
    return theirs


def families(path):
    llama3 = trained(path, split_then_bytes(LLAMA3), ignore_merges=True)
    begin = llama3.token_to_id("<|begin|>")
    llama3.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single="<|begin|> $A", pair="<|begin|> $A <|begin|>:1 $B:1",
                                      special_tokens=[("<|begin|>", begin)])])
    yield "llama3", llama3, True
    qwen2 = trained(path, split_then_bytes(QWEN2), normalizer=normalizers.NFC())
    qwen2.add_tokens([AddedToken("<tool>", normalized=False), AddedToken("e\u0301e", normalized=True)])
    yield "qwen2", qwen2, False
    added = trained(path, byte_level(prefix=True))
    added.add_tokens([AddedToken("<|a|>", lstrip=True, rstrip=True, normalized=False),
                      AddedToken("Hello", single_word=True, normalized=True),
                      AddedToken("<tool>", rstrip=True, normalized=True)])
    added.post_processor = processors.RobertaProcessing(("<|end|>", 1), ("<|begin|>", 0), add_prefix_space=True)
    yield "prefix space, added tokens", added, False
    yield "pattern by PCRE2", trained(path, split_then_bytes(ODD)), True
    nfkc = trained(path, byte_level(), normalizer=normalizers.Sequence([normalizers.NFKC()]))
    yield "nfkc", nfkc, False


def check_training(report, library, path, folder):
    """Our trainer beside BpeTrainer: the same tokens under the same ids, the same merges."""
    for name, size, pre_tokenizer, pattern in (("gpt2", 4000, byte_level(), None),
                                               ("llama3", 1500, split_then_bytes(LLAMA3), b"llama3")):
        theirs = trained(path, pre_tokenizer, size)
        ours = library.train([path], vocabulary_size=size, pattern=pattern, special_tokens=["<|begin|>", "<|end|>"])
        saved = os.path.join(folder, "trained.json")
        ours.save(saved)
        with open(saved, encoding="utf-8") as file:
            mine = json.load(file)["model"]
        other = json.loads(theirs.to_str())["model"]
        merges = [pair.split(" ") if isinstance(pair, str) else pair for pair in other["merges"]]
        ok = mine["vocab"] == other["vocab"] and mine["merges"] == merges
        if not ok:
            report.failures += 1
        print("%-28s %6d tokens, %6d merges, %s" % ("training " + name, len(mine["vocab"]), len(mine["merges"]),
                                                    "equal" if ok else "DIFFERENT"))
        again = Tokenizer.from_file(saved)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        report.same("saved and loaded by tokenizers", text, ours.encode(text), again.encode(text).ids)


def check_characters(report, library, path, folder):
    with open(path, encoding="utf-8", newline="") as file:
        text = file.read()
    ours = library.train([path], kind=1)
    letters = {c: i for i, c in enumerate(sorted(set(text)))}
    expected = [letters[c] for c in text]
    report.same("characters", text, ours.encode(text), expected)
    saved = os.path.join(folder, "characters.json")
    ours.save(saved)
    theirs = Tokenizer.from_file(saved)
    report.same("characters in tokenizers", text, theirs.encode(text[:20000]).ids, expected[:20000])
    if theirs.decode(expected[:1000]) != text[:1000] or ours.decode(expected) != text.encode():
        report.failures += 1
        print("characters: decoding gives another text")
    print("%-28s %6d tokens" % ("characters", len(letters)))


def main():
    if not tokenizers:
        skip("no Python package tokenizers (tests/python-env.sh installs it)")
    library = Library(os.environ["FOURSTAGE_LIBRARY"])
    strings = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    data = data_folder()
    report = Report()
    shakespeare = os.path.join(data, "lm", "tinyshakespeare.txt")
    vocabulary, merges, theirs = gpt2(data)
    ours = library.load_gpt2(vocabulary, merges)
    check_vectors(report, ours, data)
    check_bytes(report, ours, 2000)
    report.family("gpt2", ours, theirs, texts_of(data), 5 * strings, 1)
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "tokenizer.json")
        theirs.save(file)
        report.family("gpt2 tokenizer.json", library.load(file), theirs, [], strings // 5, 2)
        for seed, (name, other, exact) in enumerate(families(shakespeare)):
            other.save(file)
            report.family(name, library.load(folder), other, list(texts_of(data))[:3000:7], strings // 2, 10 + seed,
                          exact, name == "nfkc")
        check_training(report, library, shakespeare, folder)
        check_characters(report, library, shakespeare, folder)
    print("tokenizers %s: %s" % (tokenizers.__version__, "%d DIFFERENCES" % report.failures if report.failures
                                 else "no difference"))
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
