"""libfourstage from Python: pretraining, finetuning, reward modelling and reinforcement learning.

Needs numpy. Handles are objects: use them in a `with`, call destroy(), or let them be collected, in
any order. A status that is an error is raised as a FourstageError with the library's text; functions
that can stop early return the status otherwise (OK or STOPPED). Out-parameters are return values.
Options are keyword arguments. An array that comes back is a view of the library's memory, without a
copy, valid for as long as the function's text says; bfloat16 comes as uint16, the upper half of a
float32. A callback is a Python function without the C interface's `user`; what it raises is raised
again where the library was called. Ctrl-C during a run stops it at the next step, raises
KeyboardInterrupt, and the run can go on or be saved.

One handle is used from one thread at a time, as in C; the GIL is released while the library works.

This file is written by tools/generate_python.py from the headers and tools/fourstage_runtime.py.
"""
import ctypes
import ctypes.util
import os
import signal
import subprocess
import threading
from operator import index as _index
from pathlib import Path

import numpy

# ---------------------------------------------------------------- finding the library


def _candidates():
    """Where the library may be, best first: named, just built, installed."""
    named = os.environ.get("FOURSTAGE_LIBRARY")
    if named:
        yield named
        return
    root = Path(__file__).resolve().parents[2]
    if (root / "include" / "fourstage").is_dir():
        built = [path for pattern in ("build*/lib", "build/*/lib")
                 for path in root.glob(pattern + "/libfourstage.so")
                 if not path.parts[-3].endswith(("-sanitize", "-thread"))]
        yield from map(str, sorted(built, key=lambda path: -path.stat().st_mtime))
    found = ctypes.util.find_library("fourstage")
    if found:
        yield found
    try:
        folder = subprocess.run(["pkg-config", "--variable=libdir", "fourstage"],
                                capture_output=True, text=True, check=True).stdout.strip()
        yield str(Path(folder) / "libfourstage.so")
    except (OSError, subprocess.CalledProcessError):
        pass


def _load():
    tried = []
    for path in _candidates():
        try:
            return ctypes.CDLL(path)
        except OSError as error:
            tried.append(str(error))
    raise ImportError("libfourstage was not found; set FOURSTAGE_LIBRARY to its path"
                      + "".join("\n  " + each for each in tried))


_library = _load()


def _bind(name, result, *arguments):
    """The C function, or one that says that this library lacks it."""
    try:
        function = getattr(_library, name)
    except AttributeError:
        def absent(*_):
            raise UnsupportedError(ERR_UNSUPPORTED, f"{name}: the library at {_library._name} is "
                                   "older than this module")
        return absent
    function.restype = result
    function.argtypes = arguments
    return function


# ---------------------------------------------------------------- statuses and exceptions

class FourstageError(Exception):
    """A call failed. `status` is its fst_status; the text is the library's own."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


class InvalidArgumentError(FourstageError, ValueError):
    pass


class NoMemoryError(FourstageError, MemoryError):
    pass


class IoError(FourstageError, OSError):
    pass


class FormatError(FourstageError, ValueError):
    pass


class UnsupportedError(FourstageError, NotImplementedError):
    pass


class StateError(FourstageError, RuntimeError):
    pass


class NotFoundError(FourstageError, LookupError):
    pass


class NumericError(FourstageError, ArithmeticError):
    pass


class BufferTooSmallError(FourstageError, ValueError):
    pass


class BusyError(FourstageError, RuntimeError):
    pass


class MismatchError(FourstageError, ValueError):
    pass


class InternalError(FourstageError, RuntimeError):
    pass


_EXCEPTIONS = {
    -1: InvalidArgumentError, -2: NoMemoryError, -3: IoError, -4: FormatError,
    -5: UnsupportedError, -6: StateError, -7: NotFoundError, -8: NumericError,
    -9: BufferTooSmallError, -10: BusyError, -11: MismatchError, -12: InternalError,
}

_thread = threading.local()   # .error: what a callback raised during the present call


def _raise_pending():
    error = getattr(_thread, "error", None)
    if error is not None:
        _thread.error = None
        raise error


def _check(status):
    """Raises what a callback raised, or the library's error; returns OK or STOPPED."""
    if getattr(_thread, "error", None) is not None:
        _raise_pending()
    if status < 0:
        text = _last_error().decode("utf-8", "replace")
        raise _EXCEPTIONS.get(status, FourstageError)(status, text or f"status {status}")
    return status


# ---------------------------------------------------------------- Ctrl-C

class _Interrupts:
    """While a call that calls back runs on the main thread, SIGINT is remembered and answered at
    the next callback, which asks the library to stop cleanly. Python would otherwise raise
    KeyboardInterrupt between C and the callback, where nobody can catch it."""

    def __init__(self):
        self.pending = False    # arrived and not yet raised
        self.inside = False     # Python code of the caller's is running, and may be interrupted
        self.previous = None

    def handle(self, number, frame):
        self.pending = True
        if self.inside:
            raise KeyboardInterrupt

    def __enter__(self):
        handler = signal.getsignal(signal.SIGINT)
        if callable(handler):
            signal.signal(signal.SIGINT, self.handle)
            self.previous = handler
        return self

    def __exit__(self, kind, error, trace):
        previous, self.previous = self.previous, None
        if previous is not None:
            signal.signal(signal.SIGINT, previous)
            if self.pending:
                self.pending = False
                if not isinstance(error, KeyboardInterrupt):
                    previous(signal.SIGINT, None)   # raises KeyboardInterrupt, by default


_interrupts = _Interrupts()


class _NoInterrupts:
    """Inside a call that is guarded already, or that cannot call back."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        pass


_unguarded = _NoInterrupts()


def _guard(*things):
    """What guards a call on these handles, structs and callbacks."""
    if _interrupts.previous is None:
        for thing in things:
            if thing is not None and getattr(thing, "_calls_back", True):
                if threading.current_thread() is threading.main_thread():
                    return _interrupts
                break
    return _unguarded


# ---------------------------------------------------------------- callbacks

_CALLBACK_RAISED = -1000   # outside of the library's statuses; never seen by the caller


def _thunk(kind, function):
    """A C function pointer of type `kind` that calls `function` without the trailing `user`."""
    if function is None:
        return None
    if isinstance(function, kind):
        return function
    converters = kind._converters_
    if not kind._has_user_:
        raise TypeError("this callback takes no user pointer and cannot be a Python function")
    returns_status = kind._restype_ is ctypes.c_int32

    def call(*arguments):
        result = None
        outside, _interrupts.inside = _interrupts.inside, False
        try:
            try:
                _interrupts.inside = True
                result = function(*[convert(each) if convert else each
                                    for convert, each in zip(converters, arguments)])
            finally:
                _interrupts.inside = outside
            if returns_status:
                result = 0 if result is None else int(result)
        except KeyboardInterrupt as error:
            # A clean stop, so that the run stays resumable.
            if not _interrupts.pending:
                _thread.error = error
            return 1 if returns_status else None
        except BaseException as error:
            if getattr(_thread, "error", None) is None:
                _thread.error = error
            return _CALLBACK_RAISED if returns_status else None
        if returns_status and result == 0 and _interrupts.pending:
            return 1
        return result

    return kind(call)


def _callback_type(result, converters, has_user, *arguments):
    base = ctypes.CFUNCTYPE(result, *arguments)
    # CFUNCTYPE caches its types: a subclass carries what is ours.
    return type("Callback", (base,), {
        "_flags_": base._flags_, "_restype_": result, "_argtypes_": arguments,
        "_converters_": converters, "_has_user_": has_user})


def _from_pointer(pointer):
    """The struct that a callback's argument points to, or None; the library's memory."""
    return pointer.contents if pointer else None


def _to_text(value):
    return None if value is None else value.decode("utf-8", "replace")


# ---------------------------------------------------------------- arguments

def _text(value):
    """bytes for a const char *: str becomes UTF-8, a path the file system's bytes."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, (bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, os.PathLike):
        return os.fsencode(value)
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    raise TypeError(f"expected text, bytes or a path, not {type(value).__name__}")


def _texts(values):
    """(char *[], size_t[], count, keep) of a sequence of texts."""
    if values is None:
        return None, None, 0
    if isinstance(values, (str, bytes, os.PathLike)):
        values = [values]
    encoded = [_text(value) for value in values]
    pointers = (ctypes.c_char_p * len(encoded))(*encoded)
    lengths = (ctypes.c_size_t * len(encoded))(*map(len, encoded))
    return pointers, lengths, len(encoded)


def _input(values, dtype):
    """An array that the library reads; converted and made contiguous where it must be."""
    if values is None:
        return None
    array = numpy.asarray(values)
    if dtype is None:   # const void *: as it is
        return numpy.ascontiguousarray(array)
    if array.dtype != dtype and array.dtype.kind in "iu" and numpy.dtype(dtype).kind in "iu":
        bounds = numpy.iinfo(dtype)
        if array.size and (array.min() < bounds.min or array.max() > bounds.max):
            raise OverflowError(f"a value does not fit {numpy.dtype(dtype).name}")
    elif array.dtype.kind == "f" and numpy.dtype(dtype).kind in "iu":
        raise TypeError(f"expected {numpy.dtype(dtype).name}, not {array.dtype}")
    return numpy.ascontiguousarray(array, dtype)


def _same_size(array, other, name, other_name):
    """Arrays of one count: the library reads as many elements of each as the first has."""
    if array is not None and other is not None and array.size != other.size:
        raise ValueError(f"{name} has {array.size} elements, {other_name} has {other.size}")


def _same_count(values, other, name, other_name):
    """Lists of one count."""
    if len(values) != len(other):
        raise ValueError(f"{name} has {len(values)} entries, {other_name} has {len(other)}")


def _room(array, count, name):
    """An array with at least an element for each entry of the list before it."""
    if array is not None and array.size < count:
        raise ValueError(f"{name} has {array.size} elements, expected {count}")


def _output(array, dtype):
    """An array of the caller's that the library writes; must fit as it is."""
    if array is None:
        return None
    if not isinstance(array, numpy.ndarray):
        raise TypeError("expected a numpy array to write to")
    if dtype is not None and array.dtype != dtype:
        raise TypeError(f"expected an array of {numpy.dtype(dtype).name}, not {array.dtype}")
    if not array.flags.c_contiguous or not array.flags.writeable:
        raise ValueError("the array to write to must be contiguous and writable")
    return array


def _arrays(values, dtype, integer):
    """(arrays, T *[], lengths) of a sequence of sequences."""
    arrays = [_input(value, dtype).reshape(-1) for value in values]
    pointers = (ctypes.c_void_p * len(arrays))(*[array.ctypes.data for array in arrays])
    return arrays, pointers, numpy.array([array.size for array in arrays], integer)


def _address(array):
    return None if array is None else array.ctypes.data


class _Memory:
    """What numpy makes an array of; keeps the handle whose memory it is."""

    def __init__(self, owner, interface):
        self.owner = owner
        self.__array_interface__ = interface


_DTYPES = ["<f4", "<f8", "<u2", "<f2", "<i8", "<i4", "<i2", "<i1", "<u1", "|b1"]
_FROM_DTYPE = {numpy.dtype(name): number for number, name in enumerate(_DTYPES)}


def _from_view(view, owner):
    """numpy array over a View's memory."""
    rank = view.rank
    shape = tuple(view.shape[:rank])
    dtype = numpy.dtype(_DTYPES[view.dtype])
    if not view.data or 0 in shape:
        return numpy.empty(shape, dtype)
    return numpy.asarray(_Memory(owner, {
        "version": 3, "data": (view.data, False), "typestr": dtype.str, "shape": shape,
        "strides": tuple(stride * dtype.itemsize for stride in view.strides[:rank])}))


def _to_view(array):
    """(View, keep) of a numpy array; None stays None."""
    if array is None or isinstance(array, View):
        return array
    array = numpy.asarray(array)
    if array.dtype not in _FROM_DTYPE:
        raise TypeError(f"the library has no dtype for {array.dtype}")
    if array.ndim > MAX_RANK:
        raise ValueError(f"at most {MAX_RANK} dimensions, not {array.ndim}")
    view = View()
    view.data = array.ctypes.data
    view.dtype, view.rank = _FROM_DTYPE[array.dtype], array.ndim
    for i in range(array.ndim):
        view.shape[i] = array.shape[i]
        view.strides[i] = array.strides[i] // array.itemsize
    view._keep["array"] = array
    return view


_INTEGERS = (ctypes.c_int8, ctypes.c_int16, ctypes.c_int32, ctypes.c_int64, ctypes.c_size_t,
             ctypes.c_uint8, ctypes.c_uint16, ctypes.c_uint32, ctypes.c_uint64)


def _reference(value):
    return None if value is None else ctypes.byref(value)


# ---------------------------------------------------------------- structs

class Struct(ctypes.Structure):
    """A C struct with its defaults set; fields are keyword arguments and attributes. Texts, arrays,
    callbacks and handles that are put into a field stay alive with the struct."""

    _init_ = None        # name of the function that fills in the defaults
    _writable_ = ()      # pointer fields that the library writes through

    def __init__(self, **fields):
        super().__init__()
        object.__setattr__(self, "_keep", {})
        if self._init_ is not None:
            _check(_FUNCTIONS[self._init_](ctypes.byref(self), ctypes.sizeof(self)))
        elif self._fields_[0][0] == "struct_size":
            self.struct_size = ctypes.sizeof(self)
        for name, value in fields.items():
            setattr(self, name, value)

    def __getattribute__(self, name):
        value = object.__getattribute__(self, name)
        return value.decode("utf-8", "replace") if type(value) is bytes else value

    def __setattr__(self, name, value):
        kind = type(self)._kinds_.get(name)
        if kind is None:
            raise TypeError(f"{type(self).__name__} has no field '{name}'; it has: "
                            + ", ".join(each for each in type(self)._kinds_ if each != "struct_size"))
        if "_keep" not in self.__dict__:   # one that ctypes made over the library's memory
            object.__setattr__(self, "_keep", {})
        keep = value
        if value is None:
            raw = kind() if issubclass(kind, ctypes._CFuncPtr) else None
        elif kind is ctypes.c_char_p:
            raw = keep = _text(value)
        elif issubclass(kind, ctypes._CFuncPtr):
            raw = keep = _thunk(kind, value)
        elif isinstance(value, Handle):
            raw = value._pointer()
        elif issubclass(kind, ctypes._Pointer):
            target = kind._type_
            if target is ctypes.c_char_p:
                keep = _texts(value)[0]
                raw = ctypes.cast(keep, kind)
            elif issubclass(target, Struct):
                keep = _filled(target, value, {})
                raw = ctypes.pointer(keep)
            elif isinstance(value, kind):
                raw = value
            else:
                convert = _output if name in self._writable_ else _input
                keep = convert(value, numpy.dtype(target))
                raw = ctypes.cast(keep.ctypes.data, kind)
        elif kind in _INTEGERS:
            raw = _index(value)
        elif kind in (ctypes.c_float, ctypes.c_double):
            raw = float(value)
        elif isinstance(value, numpy.ndarray) and kind is ctypes.c_void_p:
            raw = value.ctypes.data
        elif issubclass(kind, ctypes.Array) and not isinstance(value, kind):
            raw = kind(*value)
        else:
            raw = value
        super().__setattr__(name, raw)
        if keep is not value or kind is ctypes.c_void_p or issubclass(
                kind, (ctypes._CFuncPtr, ctypes._Pointer)):
            self._keep[name] = keep

    def __repr__(self):
        return (type(self).__name__ + "("
                + ", ".join(f"{name}={getattr(self, name)!r}" for name, _ in self._fields_
                            if name != "struct_size") + ")")

    def array(self, name, *shape):
        """The memory behind a pointer field as a numpy array, without a copy, of this shape; by
        default as long as the field `count` says."""
        pointer = getattr(self, name)
        shape = shape or (self.count,)
        if not pointer:
            return None
        return numpy.ctypeslib.as_array(pointer, shape)

    @property
    def _calls_back(self):
        return any(isinstance(each, ctypes._CFuncPtr) or
                   isinstance(each, Struct) and each._calls_back for each in self._keep.values())


def _filled(kind, given, fields):
    """The struct that a call passes: what the caller gave (a struct, a dict or nothing) and
    keyword arguments over it; None if there is neither."""
    if isinstance(given, kind):
        for name, value in fields.items():
            setattr(given, name, value)
        return given
    if given is None:
        return kind(**fields) if fields else None
    if isinstance(given, dict):
        return kind(**{**given, **fields})
    raise TypeError(f"expected {kind.__name__}, a dict or None, not {type(given).__name__}")


# ---------------------------------------------------------------- handles

class Handle:
    """Owns a handle of the library, or borrows one that another handle owns."""

    _destroy_ = None
    _address = None
    _owned = False
    _calls_back = False   # may call a Python function at some time

    @classmethod
    def _adopt(cls, address, keep, owned=True):
        self = cls.__new__(cls)
        self._take(address, keep, owned)
        return self

    def _take(self, address, keep, owned=True):
        self._address = address
        self._owned = owned
        # Callbacks, borrowed arrays and the handles that hold such: as long as this handle lives.
        self._keep = [each for each in keep if each is not None]
        self._calls_back = any(getattr(each, "_calls_back", False) or
                               isinstance(each, ctypes._CFuncPtr) for each in self._keep)

    def _also_keep(self, *things):
        self._keep.extend(each for each in things if each is not None)
        self._calls_back = self._calls_back or any(
            getattr(each, "_calls_back", False) or isinstance(each, ctypes._CFuncPtr)
            for each in things)

    def _pointer(self):
        if self._address is None:
            raise StateError(ERR_STATE, f"this {type(self).__name__} was destroyed")
        return self._address

    def destroy(self):
        """Gives up the handle. A second call does nothing."""
        address, self._address = self._address, None
        if address is not None and self._owned:
            _FUNCTIONS[self._destroy_](address)

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        self.destroy()

    def __del__(self):
        try:
            self.destroy()
        except Exception:   # while the interpreter shuts down, names may be gone
            pass


def _handle(kind, value):
    """Address of a handle argument; None is NULL."""
    if value is None:
        return None
    if not isinstance(value, kind):
        raise TypeError(f"expected {kind.__name__}, not {type(value).__name__}")
    return value._pointer()


def _handles(kind, values):
    """An array of the handles' addresses."""
    return (ctypes.c_void_p * len(values))(*[_handle(kind, value) for value in values])


# ---------------------------------------------------------------- from the headers
# @generated@


# ---------------------------------------------------------------- where the rules do not suffice

_TOKEN_TYPES = {numpy.dtype("int32"): 0, numpy.dtype("uint16"): 1, numpy.dtype("int64"): 2}


# replaces fst_dataset_from_tokens
def _dataset_from_tokens(context, ids, offsets=None, options=None, **fields):
    """Makes a dataset of an array of int32, uint16 or int64 ids. Contiguous ids are borrowed, without
    a copy, and kept alive by the dataset and what is made from it; copy=1 copies them.
    offsets: document d is ids[offsets[d]:offsets[d + 1]]; None: one document.
    """
    ids = numpy.ascontiguousarray(ids)
    if ids.dtype not in _TOKEN_TYPES:
        raise TypeError(f"ids are int32, uint16 or int64, not {ids.dtype}")
    offsets = _input(offsets, "int64")
    options = _filled(DatasetTokenOptions, options, {**fields, "type": _TOKEN_TYPES[ids.dtype]})
    out = ctypes.c_void_p()
    _check(_fst_dataset_from_tokens(_handle(Context, context), _address(ids), ids.size,
                                    _address(offsets), 0 if offsets is None else offsets.size - 1,
                                    _reference(options), ctypes.byref(out)))
    return Dataset._adopt(out.value, (context, ids, options))


Dataset.from_tokens = staticmethod(_dataset_from_tokens)


# replaces fst_tokenizer_encode_batch
def _tokenizer_encode_batch(self, texts, options=None, **fields):
    """Encodes many texts on the context's threads. Returns ids, one text behind the other, and begins:
    text i has ids[begins[i]:begins[i + 1]]."""
    pointers, lengths, count = _texts(texts)
    options = _filled(EncodeOptions, options, fields)
    begins = numpy.zeros(count + 1, "int64")
    capacity = sum(lengths) + 2 * count
    while True:
        ids = numpy.empty(capacity, "int32")
        status = _fst_tokenizer_encode_batch(self._pointer(), pointers, lengths, count,
                                             _reference(options), _address(ids), capacity,
                                             _address(begins))
        if status != ERR_BUFFER_TOO_SMALL:
            break
        capacity = int(begins[-1])
    _check(status)
    return ids[:begins[-1]], begins


Tokenizer.encode_batch = _tokenizer_encode_batch


def _whole_texts(values):
    """As _texts, for texts that C reads up to their NUL: one inside would cut them off unseen."""
    pointers, _, count = _texts(list(values))
    for index in range(count):
        if pointers[index] is None:
            raise TypeError(f"text {index} is None")
    for index, value in enumerate(values):
        if b"\0" in _text(value):
            raise ValueError(f"text {index} holds a NUL")
    return pointers, count


def _offsets(lists):
    return _input(numpy.cumsum([0] + [len(each) for each in lists]), "int64")


def _messages(conversation):
    """(role, content) of each message: such a pair, or a dict with those names."""
    return [(message["role"], message["content"]) if isinstance(message, dict) else tuple(message)
            for message in conversation]


def _dataset_of(function, options, fields, context, tokenizer, *arguments):
    options = _filled(ExampleOptions, options, fields)
    out = ctypes.c_void_p()
    _check(function(_handle(Context, context), _handle(Tokenizer, tokenizer), *arguments,
                    _reference(options), ctypes.byref(out)))
    return Dataset._adopt(out.value, (context,))


# replaces fst_dataset_from_conversations
def _dataset_from_conversations(context, tokenizer, conversations, options=None, **fields):
    """Makes a dataset of conversations, each a list of (role, content) or of dicts with those names."""
    conversations = [_messages(each) for each in conversations]
    roles, _ = _whole_texts([role for each in conversations for role, _ in each])
    contents, _ = _whole_texts([content for each in conversations for _, content in each])
    offsets = _offsets(conversations)
    return _dataset_of(_fst_dataset_from_conversations, options, fields, context, tokenizer, roles,
                       contents, _address(offsets), len(conversations))


# replaces fst_dataset_from_labelled
def _dataset_from_labelled(context, tokenizer, texts, labels, pairs=None, options=None, **fields):
    """Makes a dataset of texts with labels, [texts] or [texts, label_count]; NaN: missing.
    pairs: a second text for each; None: none."""
    texts, count = _whole_texts(texts)
    labels = _input(labels, "float32")
    if labels.ndim not in (1, 2) or len(labels) != count:
        raise ValueError(f"labels has the shape {labels.shape}, there are {count} texts")
    if pairs is not None:
        pairs, pair_count = _whole_texts(pairs)
        if pair_count != count:
            raise ValueError(f"pairs has {pair_count} elements, texts has {count}")
    fields["label_count"] = 1 if labels.ndim == 1 else labels.shape[1]
    return _dataset_of(_fst_dataset_from_labelled, options, fields, context, tokenizer, texts, pairs,
                       _address(labels), count)


# replaces fst_dataset_from_preferences
def _dataset_from_preferences(context, tokenizer, prompts, answers, margins=None, options=None, **fields):
    """Makes a dataset of prompts with a list of answers each, best first.
    margins: by how much the first answer is better; None: 0."""
    answers = [list(each) for each in answers]
    offsets = _offsets(answers)
    prompts, count = _whole_texts(prompts)
    texts, _ = _whole_texts([answer for each in answers for answer in each])
    margins = _input(margins, "float32")
    if len(answers) != count or (margins is not None and margins.shape != (count,)):
        raise ValueError(f"{count} prompts, {len(answers)} lists of answers, "
                         f"{count if margins is None else margins.size} margins")
    return _dataset_of(_fst_dataset_from_preferences, options, fields, context, tokenizer, prompts, texts,
                       _address(offsets), _address(margins), count)


# replaces fst_dataset_from_prompts
def _dataset_from_prompts(context, tokenizer, texts, options=None, **fields):
    """Makes a dataset of prompts: users' messages where there is a template, else texts as they are."""
    texts, count = _whole_texts(texts)
    return _dataset_of(_fst_dataset_from_prompts, options, fields, context, tokenizer, texts, count)


# replaces fst_dataset_get_example
def _dataset_get_example(self, index, sequence=0):
    """One sequence of an example: an Example whose arrays numpy.ctypeslib.as_array takes, and which
    keeps the dataset alive."""
    example = Example()
    _check(_fst_dataset_get_example(self._pointer(), _index(index), _index(sequence),
                                    ctypes.byref(example), ctypes.sizeof(example)))
    object.__setattr__(example, "dataset", self)
    return example


# replaces fst_dataset_order
def _dataset_order(self, position, count, shuffle=False):
    """The examples that are read from `position` on, [count]."""
    indices = numpy.empty(count, "int64")
    _check(_fst_dataset_order(self._pointer(), _index(position), _index(count), int(shuffle),
                              _address(indices)))
    return indices


# replaces fst_dataset_collate
def _dataset_collate(self, examples, length=None, sequences=None):
    """Sequences as rows: ids [rows, length], targets [rows, length], lengths [rows].
    length: of a row; None: the longest of the dataset. sequences: which of each example; None: the first."""
    examples, sequences = _input(examples, "int64"), _input(sequences, "int64")
    rows = examples.size
    if sequences is not None:
        _same_size(sequences, examples, "sequences", "examples")
    if length is None:
        length = self.get_examples_info().longest
    if length < 1:
        raise ValueError(f"length is {length}, expected at least 1")
    ids, targets = numpy.empty((2, rows, length), "int32")
    lengths = numpy.empty(rows, "int32")
    _check(_fst_dataset_collate(self._pointer(), _address(examples), _address(sequences), rows, length,
                                _address(ids), _address(targets), _address(lengths)))
    return ids, targets, lengths


for _name in ("from_conversations", "from_labelled", "from_preferences", "from_prompts"):
    setattr(Dataset, _name, staticmethod(globals()["_dataset_" + _name]))
Dataset.get_example = _dataset_get_example
Dataset.order = _dataset_order
Dataset.collate = _dataset_collate


# replaces fst_chat_encode
def chat_encode(tokenizer, chat, messages, add_generation_prompt=False):
    """Renders and tokenises a conversation, a list of (role, content) or of dicts with those names.
    Returns ids and, for each, whether it is trained on. chat: a ChatTemplate; None: plain."""
    messages = _messages(messages)
    roles, count = _whole_texts([role for role, _ in messages])
    contents, _ = _whole_texts([content for _, content in messages])
    chat = _filled(ChatTemplate, chat, {})
    room, needed = sum(len(_text(content)) for _, content in messages) + 64, ctypes.c_int64()
    while True:
        ids, trained = numpy.empty(room, "int32"), numpy.empty(room, "uint8")
        status = _fst_chat_encode(_handle(Tokenizer, tokenizer), _reference(chat), roles, contents, count,
                                  int(add_generation_prompt), _address(ids), _address(trained), room,
                                  ctypes.byref(needed))
        if status != ERR_BUFFER_TOO_SMALL:
            break
        room = needed.value
    _check(status)
    return ids[:needed.value], trained[:needed.value]


def _interruptible(options):
    """A run without a progress callback gets one: through it Ctrl-C reaches the run."""
    if options is None:
        return
    run = options._keep.get("run")
    if run is None:
        options.run = run = RunOptions()
    if not run.progress:
        run.progress = lambda progress: None


def _run_metrics(self):
    """All metrics, {name: value}."""
    return {name: self.metric(name) for name in map(self.metric_name, range(self.metric_count()))}


Run.metrics = _run_metrics


def _model_parameter_names(self):
    """Names of all parameters."""
    return [self.parameter_name(index) for index in range(self.parameter_count())]


Model.parameter_names = _model_parameter_names


# ---------------------------------------------------------------- environments

def _space_layout(space):
    """numpy's dtype and shape of one value of a Space."""
    if space.kind == SPACE_BOX:
        return numpy.dtype(_DTYPES[space.dtype]), tuple(space.shape[:space.rank])
    return numpy.dtype("int32"), () if space.kind == SPACE_DISCRETE else (space.shape[0],)


def _space(space):
    """A Space; one of Gymnasium's is translated."""
    if isinstance(space, Space):
        return space
    name = type(space).__name__
    if name == "Discrete":
        if int(getattr(space, "start", 0)) != 0:
            raise ValueError("a Discrete space starts at 0 here")
        return Space(kind=SPACE_DISCRETE, n=int(space.n))
    if name == "MultiDiscrete":
        counts = numpy.asarray(space.nvec, "int64").reshape(-1)
        return Space(kind=SPACE_MULTI_DISCRETE, shape=[counts.size], counts=counts)
    if name == "MultiBinary":
        return Space(kind=SPACE_MULTI_BINARY, shape=[int(numpy.prod(space.shape))])
    if name != "Box":
        raise TypeError(f"there is no space like {name}: Box, Discrete, MultiDiscrete or MultiBinary")
    shape = list(space.shape) or [1]
    if space.dtype == numpy.uint8:
        return Space(dtype=U8, rank=len(shape), shape=shape)
    return Space(rank=len(shape), shape=shape, low=numpy.asarray(space.low, "float32").reshape(-1),
                 high=numpy.asarray(space.high, "float32").reshape(-1))


Space.of = staticmethod(_space)


def _over(address, dtype, shape):
    """numpy array over memory of the library's; None: NULL."""
    if isinstance(address, ctypes._Pointer):
        address = ctypes.cast(address, ctypes.c_void_p).value
    if not address:
        return None
    size = int(numpy.prod(shape)) * numpy.dtype(dtype).itemsize
    return numpy.frombuffer((ctypes.c_char * size).from_address(address), dtype).reshape(shape)


class EnvRows:
    """A batch of environments as numpy arrays over the library's memory, a row for each environment."""

    def __init__(self, struct, count, observation, action, choices, owner=None):
        self._owner = owner
        kinds = {"observations": observation, "final_observations": observation, "actions": action,
                 "masks": (numpy.dtype("uint8"), (choices,)),
                 "rewards": (numpy.dtype("float64"), ()), "episode_returns": (numpy.dtype("float64"), ()),
                 "episode_lengths": (numpy.dtype("int64"), ())}
        for name, _ in struct._fields_:
            if name not in ("struct_size", "count", "indices", "seeds"):
                dtype, shape = kinds.get(name, (numpy.dtype("uint8"), ()))
                setattr(self, name, _over(getattr(struct, name), dtype, (count,) + shape))


def _env_from_functions(context, reset, step, observation_space, action_space, count=1, **fields):
    """A batch of environments in Python. reset(rows, indices, seeds) and step(rows, indices) read and write
    the rows, an EnvRows, of the environments `indices`: both write rows.observations, and rows.masks and
    rows.players where there are any; step reads rows.actions and writes rows.rewards, rows.terminated,
    rows.truncated. What they raise is raised by the call that led there.

    observation_space, action_space: a Space, or one of Gymnasium's.
    save(index) -> bytes of state_bytes, load(index, state), render(index, format) -> str, and further fields
    of EnvOptions: as keyword arguments.
    """
    observation_space, action_space = _space(observation_space), _space(action_space)
    observation, action = _space_layout(observation_space), _space_layout(action_space)
    choices = action_space.get_choices()

    made = {}   # the memory stays the same while the environment lives

    def rows_of(call, kind):
        if kind not in made:
            made[kind] = EnvRows(call, count, observation, action, choices)
        return made[kind]

    def call_reset(call):
        return reset(rows_of(call, "reset"), call.array("indices"), call.array("seeds"))

    def call_step(call):
        return step(rows_of(call, "step"), call.array("indices"))

    save, load, render = (fields.pop(name, None) for name in ("save", "load", "render"))
    size = fields.get("state_bytes", 0)

    def call_save(index, state):
        saved = bytes(save(index))
        if len(saved) != size:
            raise ValueError(f"save gave {len(saved)} bytes, state_bytes is {size}")
        ctypes.memmove(state, saved, size)

    def call_load(index, state):
        return load(index, ctypes.string_at(state, size))

    def call_render(index, kind, text, capacity, length):
        drawn = _text(render(index, kind))
        length[0] = len(drawn)
        ctypes.memmove(text, drawn, min(len(drawn), capacity))

    return Env.create(context, observation_space=observation_space, action_space=action_space, count=count,
                      reset=call_reset, step=call_step, save=call_save if save else None,
                      load=call_load if load else None, render=call_render if render else None, **fields)


Env.from_functions = staticmethod(_env_from_functions)


def _env_layout(self):
    """Of an environment: dtypes and shapes, found once."""
    found = self.__dict__.get("_layout")
    if found is None:
        info = self.get_info()
        self._layout = found = (info.count, _space_layout(self.observation_space()),
                                _space_layout(self.action_space()), info.choices, info.state_bytes,
                                info.builtin)
    return found


def _env_actions(self, actions):
    count, _, (dtype, shape), *_ = _env_layout(self)
    actions = _input(actions, dtype)
    if actions.size != count * int(numpy.prod(shape)):
        raise ValueError(f"actions has the shape {actions.shape}, expected {(count,) + shape}")
    return actions


# replaces fst_env_step
def _env_step(self, actions):
    """All environments take a step. actions: [environments] values of the action space. Returns the status."""
    actions = _env_actions(self, actions)
    with _guard(self):
        return _check(_fst_env_step(self._pointer(), _address(actions)))


# replaces fst_env_step_some
def _env_step_some(self, indices, actions):
    """Some take a step. indices: ascending. actions: [environments], rows of the others are not read.
    Returns the status."""
    indices, actions = _input(indices, "int64"), _env_actions(self, actions)
    with _guard(self):
        return _check(_fst_env_step_some(self._pointer(), _address(indices), indices.size,
                                         _address(actions)))


def _env_rows(self):
    """Where the batch stands, as an EnvRows: views that change with each step."""
    count, observation, action, choices, *_ = _env_layout(self)
    return EnvRows(self.get_batch(), count, observation, action, choices, self)


# replaces fst_env_get_state
def _env_get_state(self, index):
    """The state of one environment: float64 of a built-in one, else uint8."""
    *_, size, builtin = _env_layout(self)
    state = numpy.empty(size // 8, "float64") if builtin else numpy.empty(size, "uint8")
    with _guard(self):
        _check(_fst_env_get_state(self._pointer(), _index(index), _address(state), size))
    return state


# replaces fst_env_set_state
def _env_set_state(self, index, state):
    """The present episode of one environment goes on from another state, as get_state gives it."""
    *_, builtin = _env_layout(self)
    state = _input(state, "float64" if builtin else "uint8")
    with _guard(self):
        return _check(_fst_env_set_state(self._pointer(), _index(index), _address(state), state.nbytes))


Env.step, Env.step_some, Env.rows = _env_step, _env_step_some, _env_rows
Env.get_state, Env.set_state = _env_get_state, _env_set_state


# replaces fst_policy_act
def _policy_act(self, observations, actions=None, log_probabilities=None, values=None, options=None, **fields):
    """Acts: one action for each observation; returns them.

    observations: [count, ...] values of the observation space.
    actions: [count, ...] written and returned; None: made here.
    log_probabilities, values: float32 [count], written; None: not wanted.
    options: ActOptions; its fields may be given as keyword arguments: deterministic=1, masks=..., seed=..., step=...
    """
    layout = self.__dict__.get("_layout")
    if layout is None:
        both = _space_layout(self.observation_space()), _space_layout(self.action_space())
        self._layout = layout = [(kind, shape, int(numpy.prod(shape))) for kind, shape in both]
    (kind, shape, size), (action_kind, action_shape, action_size) = layout
    observations = _input(observations, kind)
    count = observations.size // size
    if count == 0 or observations.size != count * size:
        raise ValueError(f"observations has the shape {observations.shape}, expected {('count',) + shape}")
    if actions is None:
        actions = numpy.empty((count,) + action_shape, action_kind)
    actions = _output(actions, action_kind)
    log_probabilities, values = _output(log_probabilities, "float32"), _output(values, "float32")
    for name, array, wanted in (("actions", actions, count * action_size),
                                ("log_probabilities", log_probabilities, count), ("values", values, count)):
        if array is not None and array.size != wanted:
            raise ValueError(f"{name} has {array.size} elements, expected {wanted}")
    options = _filled(ActOptions, options, fields)
    _check(_fst_policy_act(self._pointer(), _address(observations), count, _reference(options), _address(actions),
                           _address(log_probabilities), _address(values)))
    return actions


Policy.act = _policy_act
