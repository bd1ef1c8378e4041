"""The library's tokenizer through ctypes, with nothing between: for the checks beside it."""
import ctypes
import os
import sys

SKIP = 77


def skip(reason):
    print("skipped: " + reason)
    sys.exit(SKIP)


def data_folder():
    source = os.environ.get("FOURSTAGE_SOURCE", os.getcwd())
    folder = os.environ.get("FOURSTAGE_DATA", os.path.join(source, "..", "shared", "data"))
    if not os.path.isdir(folder):
        skip("no test data in " + folder)
    return folder


class EncodeOptions(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("add_special_tokens", ctypes.c_int32),
                ("parse_special", ctypes.c_int32)]


class TrainOptions(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("kind", ctypes.c_int32), ("vocabulary_size", ctypes.c_int32),
                ("minimum_frequency", ctypes.c_int64), ("pattern", ctypes.c_char_p),
                ("special_tokens", ctypes.POINTER(ctypes.c_char_p)), ("special_token_count", ctypes.c_size_t),
                ("add_prefix_space", ctypes.c_int32), ("reserved", ctypes.c_int32),
                ("unknown_token", ctypes.c_char_p), ("lowercase", ctypes.c_int32), ("strip_accents", ctypes.c_int32),
                ("chinese_characters", ctypes.c_int32), ("limit_alphabet", ctypes.c_int32)]


class WordpieceOptions(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("lowercase", ctypes.c_int32), ("strip_accents", ctypes.c_int32),
                ("chinese_characters", ctypes.c_int32), ("clean_text", ctypes.c_int32)]


class Library:
    def __init__(self, path):
        self.c = ctypes.CDLL(path)
        self.c.fst_last_error.restype = ctypes.c_char_p
        for name in ("fst_tokenizer_destroy", "fst_context_destroy"):
            getattr(self.c, name).restype = None
        self.context = ctypes.c_void_p()
        self.check(self.c.fst_context_create(None, ctypes.byref(self.context)))

    def check(self, status):
        if status:
            raise RuntimeError("status %d: %s" % (status, self.c.fst_last_error().decode()))

    def load(self, path):
        handle = ctypes.c_void_p()
        self.check(self.c.fst_tokenizer_load(self.context, path.encode(), ctypes.byref(handle)))
        return Tokenizer(self, handle)

    def load_gpt2(self, vocabulary, merges):
        handle = ctypes.c_void_p()
        self.check(self.c.fst_tokenizer_load_gpt2(self.context, vocabulary.encode(), merges.encode(),
                                                  ctypes.byref(handle)))
        return Tokenizer(self, handle)

    def load_wordpiece(self, path, lowercase, strip_accents, chinese_characters, clean_text):
        handle = ctypes.c_void_p()
        options = WordpieceOptions(ctypes.sizeof(WordpieceOptions), lowercase, strip_accents, chinese_characters,
                                   clean_text)
        self.check(self.c.fst_tokenizer_load_wordpiece(self.context, path.encode(), ctypes.byref(options),
                                                       ctypes.byref(handle)))
        return Tokenizer(self, handle)

    def train(self, paths, **options):
        values = TrainOptions()
        self.check(self.c.fst_tokenizer_train_options_init(ctypes.byref(values), ctypes.c_size_t(
            ctypes.sizeof(values))))
        specials = options.pop("special_tokens", [])
        values.special_tokens = (ctypes.c_char_p * len(specials))(*[s.encode() for s in specials])
        values.special_token_count = len(specials)
        for name, value in options.items():
            setattr(values, name, value)
        names = (ctypes.c_char_p * len(paths))(*[p.encode() for p in paths])
        handle = ctypes.c_void_p()
        self.check(self.c.fst_tokenizer_train_files(self.context, names, ctypes.c_size_t(len(paths)),
                                                    ctypes.byref(values), ctypes.byref(handle)))
        return Tokenizer(self, handle)


class Tokenizer:
    def __init__(self, library, handle):
        self.library, self.handle = library, handle
        self.room = 1 << 16
        self.ids = (ctypes.c_int32 * self.room)()

    def __del__(self):
        self.library.c.fst_tokenizer_destroy(self.handle)

    def encode_bytes(self, text, special=True):
        """Ids, in an array of the tokenizer's own, and their number."""
        if len(text) + 64 > self.room:
            self.room = len(text) + 64
            self.ids = (ctypes.c_int32 * self.room)()
        options = EncodeOptions(ctypes.sizeof(EncodeOptions), int(special), 1)
        count = ctypes.c_size_t()
        self.library.check(self.library.c.fst_tokenizer_encode(
            self.handle, text, ctypes.c_size_t(len(text)), ctypes.byref(options), self.ids, None,
            ctypes.c_size_t(self.room), ctypes.byref(count)))
        return self.ids, count.value

    def encode(self, text, special=True):
        data = text.encode() if isinstance(text, str) else text
        ids, count = self.encode_bytes(data, special)
        return ids[:count]

    def encode_offsets(self, data):
        ids = (ctypes.c_int32 * (len(data) + 64))()
        offsets = (ctypes.c_int64 * (2 * (len(data) + 64)))()
        count = ctypes.c_size_t()
        self.library.check(self.library.c.fst_tokenizer_encode(
            self.handle, data, ctypes.c_size_t(len(data)), None, ids, offsets, ctypes.c_size_t(len(data) + 64),
            ctypes.byref(count)))
        return ids[:count.value], [(offsets[2 * i], offsets[2 * i + 1]) for i in range(count.value)]

    def encode_words(self, data):
        room = len(data) + 64
        ids, words = (ctypes.c_int32 * room)(), (ctypes.c_int32 * room)()
        offsets, count = (ctypes.c_int64 * (2 * room))(), ctypes.c_size_t()
        self.library.check(self.library.c.fst_tokenizer_encode_words(
            self.handle, data, ctypes.c_size_t(len(data)), None, ids, words, offsets, ctypes.c_size_t(room),
            ctypes.byref(count)))
        size = count.value
        return ids[:size], words[:size], [(offsets[2 * i], offsets[2 * i + 1]) for i in range(size)]

    def encode_pair(self, first, second):
        room = len(first) + len(second) + 64
        arrays, count = [(ctypes.c_int32 * room)() for _ in range(3)], ctypes.c_size_t()
        self.library.check(self.library.c.fst_tokenizer_encode_pair(
            self.handle, first, ctypes.c_size_t(len(first)), second, ctypes.c_size_t(len(second)), None, *arrays,
            ctypes.c_size_t(room), ctypes.byref(count)))
        return tuple(array[:count.value] for array in arrays)

    def special_id(self, role):
        value = ctypes.c_int32()
        self.library.check(self.library.c.fst_tokenizer_special_id(self.handle, role, ctypes.byref(value)))
        return value.value

    def token(self, number):
        text, length = ctypes.c_char_p(), ctypes.c_size_t()
        self.library.check(self.library.c.fst_tokenizer_token(self.handle, number, ctypes.byref(text),
                                                              ctypes.byref(length)))
        return ctypes.string_at(text, length.value)

    def decode(self, ids, skip_special=False):
        array = (ctypes.c_int32 * len(ids))(*ids)
        length = ctypes.c_size_t()
        self.library.c.fst_tokenizer_decode(self.handle, array, ctypes.c_size_t(len(ids)), int(skip_special), None,
                                            ctypes.c_size_t(0), ctypes.byref(length))
        text = ctypes.create_string_buffer(length.value + 1)
        self.library.check(self.library.c.fst_tokenizer_decode(
            self.handle, array, ctypes.c_size_t(len(ids)), int(skip_special), text, ctypes.c_size_t(length.value + 1),
            ctypes.byref(length)))
        return text.raw[:length.value]

    def save(self, path):
        self.library.check(self.library.c.fst_tokenizer_save(self.handle, path.encode()))
