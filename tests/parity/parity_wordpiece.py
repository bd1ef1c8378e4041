"""WordPiece beside Hugging Face `tokenizers`: the same text, the same ids, offsets, words and types.

usage: parity_wordpiece.py [random strings per vocabulary [fast]]

FOURSTAGE_LIBRARY names the library. `fast`: a part of the texts only.
"""
import json
import os
import random
import sys
import tempfile
import unicodedata

os.environ["TOKENIZERS_PARALLELISM"] = "false"
try:
    import tokenizers
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
except ImportError:
    tokenizers = None

from tokenizer_library import Library, data_folder, skip
import parity_tokenizer

STRIP = normalizers.BertNormalizer(False, False, True, False) if tokenizers else None
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
INTERESTING = ["[MASK]", "[CLS]", " [SEP] ", "\u0130", "\u0345\u0301", "\u302e\u302f\u0323", "\U0001d165\u0301",
               "\u4e00\u4e8c", "\uf900", "\U0002f800", "\ufffd", "\x00", "\x1f", "\u200b", "\xad", "\u2028", "\x85",
               "\u1e9b\u0323", "\uac00", "naïve", "ÅNGSTRÖM", "it's", "don't", "$5.00", "a_b", "##ing", "playing",
               "\u01c5", "\u03a3\u03c3\u03c2", "\ud7a3", "\U00010400", "x" * 99, "y" * 101, "\u0344", "\u0958"]


def random_string(rng):
    text = parity_tokenizer.random_string(rng)
    for _ in range(rng.choice((0, 0, 1, 3))):
        at = rng.randrange(len(text) + 1)
        text = text[:at] + rng.choice(INTERESTING) + text[at:]
    return text


def moves(character):
    """A mark that is not stripped and that canonical ordering may put elsewhere: `tokenizers` gives it the offsets
    of the place it comes to, we those of the marks it is among."""
    return unicodedata.combining(character) != 0 and STRIP.normalize_str(character) != ""


def bert(vocabulary, **options):
    """As transformers makes it of a vocab.txt."""
    theirs = Tokenizer(models.WordPiece.from_file(vocabulary, unk_token="[UNK]"))
    theirs.normalizer = normalizers.BertNormalizer(**options)
    theirs.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ids = [(token, theirs.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    theirs.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0", pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1", special_tokens=ids)
    theirs.decoder = decoders.WordPiece(prefix="##", cleanup=True)
    theirs.add_special_tokens(SPECIALS)
    return theirs


class Report(parity_tokenizer.Report):
    def fine(self, name, ours, theirs, texts, strings, seed, every=10):
        """Ids of all; offsets, words and pairs of each `every`-th random string."""
        before, count, rng, last = self.failures, 0, random.Random(seed), ""
        for text in texts:
            self.same(name, text, ours.encode(text), theirs.encode(text).ids)
            count += 1
        for i in range(strings):
            text = random_string(rng)
            other = theirs.encode(text)
            if i % every:
                self.same(name, text, ours.encode(text), other.ids)
                continue
            self.details(name, ours, theirs, text, other)
            if theirs.decode(other.ids).encode() != ours.decode(other.ids, True):
                self.failures += 1
                print("%s: decoded %r, tokenizers %r" % (name, ours.decode(other.ids, True), theirs.decode(other.ids)))
            self.pair(name, ours, theirs, last[:40], text[:40])
            last = text
        print("%-28s %6d texts, %6d random strings, %d differences" % (name, count, strings, self.failures - before))

    def details(self, name, ours, theirs, text, other):
        ids, words, offsets = ours.encode_words(text.encode())
        places, at = [], 0
        for character in text:
            places.append(at)
            at += len(character.encode())
        places.append(at)
        self.same(name, text, ids, other.ids)
        self.same(name + " words", text, words, [-1 if word is None else word for word in other.word_ids])
        if not any(moves(c) for c in unicodedata.normalize("NFD", text)):
            self.same(name + " offsets", text, offsets, [(places[a], places[b]) for a, b in other.offsets])

    def pair(self, name, ours, theirs, first, second):
        other = theirs.encode(first, second)
        ids, types, words = ours.encode_pair(first.encode(), second.encode())
        self.same(name + " pair", (first, second), ids, other.ids)
        self.same(name + " pair's types", (first, second), types, other.type_ids)
        self.same(name + " pair's words", (first, second), words, [-1 if w is None else w for w in other.word_ids])


def check_vectors(report, ours, data):
    folder = os.path.join(data, "tokenizer", "vectors")
    with open(os.path.join(folder, "bert-bge.inp"), encoding="utf-8") as file:
        inputs = file.read().split("\n__ggml_vocab_test__\n")
    with open(os.path.join(folder, "bert-bge.out"), encoding="utf-8") as file:
        outputs = file.read().split("\n")
    before = report.failures
    for text, line in zip(inputs, outputs):
        report.same("vector", text, ours.encode(text, False), [int(word) for word in line.split()])
    print("%-28s %6d cases, %d differences" % ("vectors bert-bge", len(inputs), report.failures - before))
    if len(inputs) < 40 or len(outputs) < len(inputs):
        report.failures += 1
        print("vectors: %d inputs and %d outputs" % (len(inputs), len(outputs)))


def check_options(report, library, vocabulary, folder, strings):
    """Each setting of the normalizer, by tokenizer.json, by options and by tokenizer_config.json."""
    file, copy = os.path.join(folder, "tokenizer.json"), os.path.join(folder, "vocab.txt")
    with open(vocabulary, "rb") as source, open(copy, "wb") as target:
        target.write(source.read())
    for number in range(24):
        strip = (None, True, False)[number % 3]
        lower, chinese, clean = (bool(number // 3 >> bit & 1) for bit in range(3))
        theirs = bert(vocabulary, lowercase=lower, strip_accents=strip, handle_chinese_chars=chinese,
                      clean_text=clean)
        theirs.save(file)
        if clean and number % 2:
            with open(os.path.join(folder, "tokenizer_config.json"), "w", encoding="utf-8") as config:
                json.dump({"do_lower_case": lower, "strip_accents": strip, "tokenize_chinese_chars": chinese}, config)
            ours = library.load(copy)
            os.remove(os.path.join(folder, "tokenizer_config.json"))
        elif number % 4 == 0:
            ours = library.load_wordpiece(copy, lower, -1 if strip is None else strip, chinese, clean)
        else:
            ours = library.load(file)
        report.fine("options %d%d%d %s" % (lower, chinese, clean, strip), ours, theirs, [], strings, 100 + number, 3)


def roberta(data):
    """A RoBERTa tokenizer.json with GPT-2's merges: other ids, the same parts."""
    folder = os.path.join(data, "tokenizer", "gpt2")
    theirs = Tokenizer(models.BPE.from_file(os.path.join(folder, "vocab.json"), os.path.join(folder, "merges.txt")))
    theirs.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    theirs.decoder = decoders.ByteLevel()
    theirs.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", AddedToken("<mask>", lstrip=True, normalized=False)])
    theirs.post_processor = processors.RobertaProcessing(("</s>", theirs.token_to_id("</s>")),
                                                         ("<s>", theirs.token_to_id("<s>")), add_prefix_space=False)
    return theirs


def check_roberta(report, library, data, folder, strings):
    theirs, file = roberta(data), os.path.join(folder, "tokenizer.json")
    theirs.save(file)
    ours, rng, before = library.load(file), random.Random(7), report.failures
    for _ in range(strings):
        text = random_string(rng).replace("[MASK]", " <mask>")
        other = theirs.encode(text)
        ids, words, _ = ours.encode_words(text.encode())
        report.same("roberta", text, ids, other.ids)
        report.same("roberta words", text, words, [-1 if word is None else word for word in other.word_ids])
        report.pair("roberta", ours, theirs, text, "second <mask>")
    for role, token in ((0, "<s>"), (1, "</s>"), (2, "<pad>"), (3, "<unk>"), (4, "<mask>")):
        report.same("roberta role", token, [ours.special_id(role)], [theirs.token_to_id(token)])
    print("%-28s %6d random strings, %d differences" % ("roberta", strings, report.failures - before))


def check_training(report, library, path, folder):
    """Their trainer leaves the order of the letters inside words to chance, and with it the choice between equals:
    as special tokens those letters have an order on either side."""
    theirs = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    theirs.normalizer = normalizers.BertNormalizer()
    theirs.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    with open(path, encoding="utf-8") as file:
        letters = sorted(set(file.read().lower()))
    specials = SPECIALS + ["##" + letter for letter in letters if letter.isalnum()]
    for size, frequency, special in ((4000, 0, specials), (2000, 30, specials), (3000, 2, SPECIALS)):
        theirs.train([path], trainers.WordPieceTrainer(vocab_size=size, min_frequency=frequency,
                                                       special_tokens=special, show_progress=False))
        ours = library.train([path], kind=2, vocabulary_size=size, minimum_frequency=frequency,
                             special_tokens=[] if special is SPECIALS else special)
        saved = os.path.join(folder, "trained.json")
        ours.save(saved)
        with open(saved, encoding="utf-8") as file:
            mine = json.load(file)["model"]["vocab"]
        other = json.loads(theirs.to_str())["model"]["vocab"]
        apart = len(set(mine) ^ set(other))
        equal = mine == other if special is specials else len(mine) == len(other) and apart <= size // 50
        if not equal:
            report.failures += 1
        print("%-28s %6d tokens, %d apart, %s" % ("training, frequency %d" % frequency, len(mine), apart,
                                                  "as it should" if equal else "DIFFERENT"))
        again = Tokenizer.from_file(saved)
        with open(path, encoding="utf-8") as file:
            text = file.read(200000)
        report.same("saved and loaded by tokenizers", text, ours.encode(text), again.encode(text).ids)
        report.pair("saved pair", ours, again, "one two", "three")
    ours = library.train([path], kind=2, vocabulary_size=60, limit_alphabet=20)
    count = sum(len(ours.token(i)) == 1 for i in range(60))
    if count != 20:
        report.failures += 1
        print("limit_alphabet 20: %d letters" % count)


def check_transformers(report, library, path, folder):
    """A directory that we write is one that AutoTokenizer reads."""
    try:
        from transformers import AutoTokenizer
    except ImportError:
        print("no transformers: its reading of a directory is not looked at")
        return
    ours = library.train([path], kind=2, vocabulary_size=500)
    target = os.path.join(folder, "written")
    os.mkdir(target)
    ours.save(target)
    theirs = AutoTokenizer.from_pretrained(target)
    text = "What, my masters: [MASK] a naïve thing?"
    report.same("transformers", text, ours.encode(text), theirs(text)["input_ids"])
    for role, token in ((0, "cls_token_id"), (1, "sep_token_id"), (2, "pad_token_id"), (3, "unk_token_id"),
                        (4, "mask_token_id")):
        report.same("transformers " + token, "", [ours.special_id(role)], [getattr(theirs, token)])
    print("%-28s read" % "transformers")


def main():
    if not tokenizers:
        skip("no Python package tokenizers (tests/python-env.sh installs it)")
    library = Library(os.environ["FOURSTAGE_LIBRARY"])
    strings = int(sys.argv[1]) if len(sys.argv) > 1 else 100000
    fast = len(sys.argv) > 2
    data, report = data_folder(), Report()
    shakespeare = os.path.join(data, "lm", "tinyshakespeare.txt")
    for name in ("bert-uncased", "bert-chinese"):
        vocabulary = os.path.join(data, "tokenizer", name, "vocab.txt")
        ours, theirs = library.load(vocabulary), bert(vocabulary)
        if name == "bert-uncased":
            check_vectors(report, ours, data)
        texts = parity_tokenizer.texts_of(data)
        if fast:
            texts = list(texts)[1::97]
        report.fine(name, ours, theirs, texts, strings, 1)
    with tempfile.TemporaryDirectory() as folder:
        check_options(report, library, os.path.join(data, "tokenizer", "bert-uncased", "vocab.txt"), folder,
                      max(strings // 50, 30))
        check_roberta(report, library, data, folder, strings // 20)
        if not fast:
            check_transformers(report, library, shakespeare, folder)
            check_training(report, library, shakespeare, folder)
    print("tokenizers %s: %s" % (tokenizers.__version__, "%d DIFFERENCES" % report.failures if report.failures
                                 else "no difference"))
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
