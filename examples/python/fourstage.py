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

OK = 0
STOPPED = 1
ERR_INVALID_ARGUMENT = -1
ERR_NO_MEMORY = -2
ERR_IO = -3
ERR_FORMAT = -4
ERR_UNSUPPORTED = -5
ERR_STATE = -6
ERR_NOT_FOUND = -7
ERR_NUMERIC = -8
ERR_BUFFER_TOO_SMALL = -9
ERR_BUSY = -10
ERR_MISMATCH = -11
ERR_INTERNAL = -12
F32 = 0
F64 = 1
BF16 = 2
F16 = 3
I64 = 4
I32 = 5
I16 = 6
I8 = 7
U8 = 8
BOOL = 9
MAX_RANK = 8
SPACE_BOX = 0
SPACE_DISCRETE = 1
SPACE_MULTI_DISCRETE = 2
SPACE_MULTI_BINARY = 3
SPACE_MAX_RANK = 4
IGNORE = -100
LOG_DEBUG = 0
LOG_INFO = 1
LOG_WARNING = 2
PROVIDER_AUTO = 0
PROVIDER_CBLAS = 1
PROVIDER_ONEDNN = 2
PROVIDER_REFERENCE = 3
TOKENIZER_BPE = 0
TOKENIZER_CHARACTER = 1
TOKENIZER_WORDPIECE = 2
TOKEN_BOS = 0
TOKEN_EOS = 1
TOKEN_PAD = 2
TOKEN_UNKNOWN = 3
TOKEN_MASK = 4
CHAT_PLAIN = 0
CHAT_CHATML = 1
CHAT_LLAMA3 = 2
CHAT_ALPACA = 3
FAMILY_GPT2 = 0
FAMILY_LLAMA = 1
FAMILY_QWEN2 = 2
FAMILY_QWEN3 = 3
FAMILY_BERT = 4
FAMILY_ROBERTA = 5
FAMILY_MODERNBERT = 6
FAMILY_VIT = 7
FAMILY_RESNET = 8
FAMILY_MLP = 9
FAMILY_CNN = 10
BACKBONE_TRANSFORMER = 0
BACKBONE_RESNET = 1
BACKBONE_VIT = 2
BACKBONE_MLP = 3
BACKBONE_CNN = 4
CNN_ATARI = 0
CNN_SMALL = 1
STEM_3X3 = 0
STEM_7X7 = 1
POSITION_NONE = 0
POSITION_LEARNED = 1
POSITION_ROTARY = 2
ROPE_DEFAULT = 0
ROPE_LINEAR = 1
ROPE_DYNAMIC = 2
ROPE_LLAMA3 = 3
ROPE_YARN = 4
NORM_LAYER = 0
NORM_RMS = 1
ACTIVATION_GELU_TANH = 1
ACTIVATION_GELU = 2
ACTIVATION_SILU = 3
ACTIVATION_RELU = 4
ACTIVATION_TANH = 5
HEAD_SEQUENCE = 0
HEAD_TOKEN = 1
HEAD_CONSTANT = 2
POOL_LAST = 0
POOL_FIRST = 1
POOL_MEAN = 2
POOL_MAX = 3
POOL_POOLER = 4
FORWARD_EVALUATE = 0
FORWARD_TRAIN = 1
POOL_AUTO = -1
DOCUMENT_FILE = 0
DOCUMENT_LINE = 1
DOCUMENT_BLOCK = 2
TOKENS_I32 = 0
TOKENS_U16 = 1
TOKENS_I64 = 2
SPLIT_TAIL = 0
SPLIT_DOCUMENTS = 1
PACK_WRAPPED = 0
PACK_BEST_FIT = 1
PACK_RANDOM = 2
EXAMPLES_CONVERSATIONS = 0
EXAMPLES_LABELLED = 1
EXAMPLES_PREFERENCES = 2
EXAMPLES_PROMPTS = 3
EXAMPLES_IMAGES = 4
EXAMPLES_TOKENS = 5
EXAMPLES_PAIRS = 6
FORMAT_AUTO = 0
FORMAT_JSONL = 1
FORMAT_JSON = 2
FORMAT_CSV = 3
FORMAT_TSV = 4
FORMAT_LINES = 5
TOO_LONG_ERROR = 0
TOO_LONG_DROP = 1
TOO_LONG_CUT_START = 2
TOO_LONG_CUT_END = 3
TOO_LONG_WINDOWS = 4
PIXELS_U8 = 0
PIXELS_F32 = 1
SPIKE_NONE = 0
SPIKE_SKIP = 1
SPIKE_ROLL_BACK = 2
CONTRASTIVE_AUTO = 0
CONTRASTIVE_NTXENT = 1
CONTRASTIVE_INFONCE = 2
VIEWS_AUTO = 0
VIEWS_DROPOUT = 1
VIEWS_PAIRS = 2
VIEWS_AUGMENT = 3
NETWORK_AUTO = 0
NETWORK_MLP = 1
NETWORK_CNN = 2
NETWORK_TRANSFORMER = 3
RENDER_TEXT = 0
RENDER_SVG = 1
GROUP_RLOO = 0
GROUP_GRPO = 1
GROUP_DR_GRPO = 2
AGGREGATE_TOKENS = 0
AGGREGATE_SEQUENCES = 1
AGGREGATE_CONSTANT = 2
KL_K1 = 0
KL_K2 = 1
KL_K3 = 2
KL_FIXED = 0
KL_ADAPTIVE = 1
PREFERENCE_DPO = 0
PREFERENCE_IPO = 1
PREFERENCE_HINGE = 2
ORDINAL_CORAL = 0
ORDINAL_CUMULATIVE = 1
FINISH_LENGTH = 0
FINISH_END = 1
FINISH_STRING = 2
FINISH_STOPPED = 3
RULE_LENGTH = 0
RULE_REPETITION = 1
RULE_PATTERN = 2
RULE_LEXICON = 3
RULE_END = 4
UNIT_TOKENS = 0
UNIT_CHARACTERS = 1
UNIT_WORDS = 2
NORMALISE_NONE = 0
NORMALISE_MEMBERS = 1
NORMALISE_SUM = 2
REWARD_PAIRWISE = 0
REWARD_GRADED = 1
ASPECT_MSE = 0
ASPECT_BT = 1
ASPECT_ORDINAL = 2
RL_PPO = 0
RL_REINFORCE = 1
RL_RLOO = 2
RL_GRPO = 3
RL_A2C = 4
DPO_SIGMOID = 0
DPO_IPO = 1
DPO_HINGE = 2
DPO_KTO = 3
REFERENCE_AUTO = 0
REFERENCE_MODEL = 1
REFERENCE_TRUNK = 2
REFERENCE_COPY = 3
TAGS_AUTO = 0
TAGS_IOB1 = 1
TAGS_IOB2 = 2
TAGS_IOE1 = 3
TAGS_IOE2 = 4
TAGS_IOBES = 5
TAGS_BILOU = 6
TOKEN_IS_SPECIAL = 1
TOKEN_CONTINUES_WORD = 2
TOKEN_ENDS_WORD = 4
OPTIMIZER_ADAMW = 0
OPTIMIZER_SGD = 1
OPTIMIZER_MUON = 2
OPTIMIZER_LARS = 3
SCHEDULE_CONSTANT = 0
SCHEDULE_LINEAR = 1
SCHEDULE_COSINE = 2
SCHEDULE_WSD = 3
SCHEDULE_INVERSE_SQRT = 4
WARMUP_ABOVE_ZERO = 0
WARMUP_FROM_ZERO = 1
MUON_SCALE_ORIGINAL = 0
MUON_SCALE_MATCH_RMS = 1
PRETRAIN_CAUSAL = 0
PRETRAIN_MASKED = 1
SFT_AUTO = 0
SFT_CROSS_ENTROPY = 1
SFT_BINARY = 2
SFT_MSE = 3
COLUMNS_AUTO = 0
COLUMNS_TAB = 1
COLUMNS_SPACES = 2

_FUNCTIONS = {}

class View(Struct):
    """An array in memory. Element (i0, i1, …) stands at data + (i0·strides[0] + i1·strides[1] + …)
        elements. The layout of this struct is fixed for good.
    Since 0.1

    data: borrowed; the function that fills the view says until when
    dtype: FST_F32 … FST_BOOL
    rank: dimensions, 0 (a scalar) to FST_MAX_RANK
    shape: elements along each dimension; 0 beyond rank
    strides: in elements; 0 beyond rank
    """
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("dtype", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("shape", ctypes.c_int64 * 8),
        ("strides", ctypes.c_int64 * 8),
    ]
    _kinds_ = dict(_fields_)


class Space(Struct):
    """What an observation or an action is. Functions that take one copy it, its arrays included.
    Since 0.1

    kind: FST_SPACE_ value; default FST_SPACE_BOX
    dtype: Box: FST_F32 (default) or FST_U8; others: not read
    rank: Box: 1 … 4; MultiDiscrete, MultiBinary: 1; Discrete: not read; default 1
    reserved: 0
    shape: ≥ 1 below rank; an image's are channels, height, width; default 0
    n: Discrete: choices, ≥ 1; default 0
    counts: MultiDiscrete: [shape[0]] choices of each, ≥ 1; default NULL
    low: Box of float32: [elements] least values, −INFINITY: none; NULL (default): none at all
    high: Box of float32: [elements] greatest values, INFINITY: none; NULL (default): none at all
    """
    _init_ = "fst_space_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("kind", ctypes.c_int32),
        ("dtype", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("shape", ctypes.c_int64 * 4),
        ("n", ctypes.c_int64),
        ("counts", ctypes.POINTER(ctypes.c_int64)),
        ("low", ctypes.POINTER(ctypes.c_float)),
        ("high", ctypes.POINTER(ctypes.c_float)),
    ]
    _kinds_ = dict(_fields_)


class AdapterOptions(Struct):
    """What fst_model_add_adapter adds.
    Since 0.1

    rank: r, 1 to 65536; default 16
    rank_stabilized: 1: s = alpha/√r (rsLoRA); 0 (default): alpha/r
    weight_decomposed: 1: DoRA; default 0
    reserved: 0
    alpha: > 0; default 32
    dropout: probability, [0, 1), on the adapter's input while training; default 0.05
    modules: Hugging Face's names of the linear layers to adapt, module_count of them: q_proj,
        k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj; of GPT-2 c_attn, attn.c_proj, c_fc,
        mlp.c_proj (c_proj: the last of attention and MLP). NULL (default): all that the model has
    module_count: entries of modules
    """
    _init_ = "fst_adapter_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("rank", ctypes.c_int32),
        ("rank_stabilized", ctypes.c_int32),
        ("weight_decomposed", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("alpha", ctypes.c_double),
        ("dropout", ctypes.c_double),
        ("modules", ctypes.POINTER(ctypes.c_char_p)),
        ("module_count", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class Batch(Struct):
    """A batch of `rows` sequences of `length` positions; arrays are row-major [rows, length] unless
        said otherwise, borrowed for the call that takes the batch.
    Since 0.1

    rows: sequences, ≥ 1
    length: positions in each, ≥ 1, ≤ the model's context length
    ids: token ids, 0 ≤ id < vocabulary
    targets: token to predict at each position; negative: ignored; NULL: no loss
    positions: position of each token; NULL: 0 … length-1, restarting with each document
    documents: index within the row at which the token's document begins: attention does not cross
        it; NULL: one document a row
    lengths: [rows] tokens that count in each row, the rest is padding; NULL: all
    weights: weight of each position's loss; NULL: 1
    kept: [rows, length, ⌈vocabulary/8⌉] bit v % 8 of byte v / 8 is 1 where id v may be the target
        at that position; all other ids have probability 0 in losses, log-probabilities and
        entropies, as a sampler with top-k, top-p or min-p had it. The target itself always may.
        NULL: all ids.
    token_types: type (segment) of each token, 0 ≤ type < the model's token_types; NULL: 0
    images: [rows, channels, height, width]; of image backbones, which read no ids and no length
    observations: [rows, inputs] of an MLP, which reads no length; [rows, length, inputs] of a
        transformer over vectors, which reads no ids
    """
    _init_ = "fst_batch_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("rows", ctypes.c_int64),
        ("length", ctypes.c_int64),
        ("ids", ctypes.POINTER(ctypes.c_int32)),
        ("targets", ctypes.POINTER(ctypes.c_int32)),
        ("positions", ctypes.POINTER(ctypes.c_int32)),
        ("documents", ctypes.POINTER(ctypes.c_int32)),
        ("lengths", ctypes.POINTER(ctypes.c_int32)),
        ("weights", ctypes.POINTER(ctypes.c_float)),
        ("kept", ctypes.POINTER(ctypes.c_uint8)),
        ("token_types", ctypes.POINTER(ctypes.c_int32)),
        ("images", ctypes.POINTER(ctypes.c_float)),
        ("observations", ctypes.POINTER(ctypes.c_float)),
    ]
    _kinds_ = dict(_fields_)

_fst_context_options_log = _callback_type(ctypes.c_int32, (None, _to_text,), True, ctypes.c_int32,
        ctypes.c_char_p, ctypes.c_void_p)
_fst_context_options_allocate = _callback_type(ctypes.c_void_p, (None,), True, ctypes.c_size_t,
        ctypes.c_void_p)
_fst_context_options_release = _callback_type(None, (None,), True, ctypes.c_void_p, ctypes.c_void_p)

class ContextOptions(Struct):
    """Options of fst_context_create.
    Since 0.1

    threads: workers, the calling thread included; 0: the processors this process may use, at most
        64
    provider: FST_PROVIDER_ value; default FST_PROVIDER_AUTO
    seed: seed of every random stream; default 0
    blas_single_thread: 1 (default): set OpenBLAS's process-wide thread count to 1 while a context
        lives, since the library splits its products itself; 0: leave it
    log_level: least FST_LOG_ level that reaches log; default FST_LOG_INFO
    log: Log sink; NULL (default): silent. Called on the thread that called the library; text is
        borrowed for the call. The return value is ignored.
    log_user: handed to log
    allocate: Memory for everything; NULL (default): malloc. Must return memory aligned to 16 bytes
        or NULL; called from any thread. Set both or neither.
    release: gives back what allocate returned
    allocate_user: handed to allocate and release
    """
    _init_ = "fst_context_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("threads", ctypes.c_int32),
        ("provider", ctypes.c_int32),
        ("seed", ctypes.c_int64),
        ("blas_single_thread", ctypes.c_int32),
        ("log_level", ctypes.c_int32),
        ("log", _fst_context_options_log),
        ("log_user", ctypes.c_void_p),
        ("allocate", _fst_context_options_allocate),
        ("release", _fst_context_options_release),
        ("allocate_user", ctypes.c_void_p),
    ]
    _kinds_ = dict(_fields_)


class ContextInfo(Struct):
    """What a context works with; filled by fst_context_get_info.
    Since 0.1

    threads: workers, the calling thread included
    provider: FST_PROVIDER_ value in use for float32
    bf16: 1 if bfloat16 products run on the processor's own instructions
    reserved: 0
    live_bytes: bytes held through the context's allocator now
    peak_bytes: most bytes held so far
    allocations: allocations so far
    provider_name: e.g. "oneDNN 2.6.3 avx512_core_bf16"; borrowed, lives as the context does
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("threads", ctypes.c_int32),
        ("provider", ctypes.c_int32),
        ("bf16", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("live_bytes", ctypes.c_int64),
        ("peak_bytes", ctypes.c_int64),
        ("allocations", ctypes.c_int64),
        ("provider_name", ctypes.c_char_p),
    ]
    _kinds_ = dict(_fields_)


class TokenizerTrainOptions(Struct):
    """Options of fst_tokenizer_train_files and fst_tokenizer_train_texts.
    Since 0.1

    kind: FST_TOKENIZER_ value; default FST_TOKENIZER_BPE
    vocabulary_size: BPE, WORDPIECE: ids to make at most, special tokens and the 256 bytes or the
        characters counted; default 30000. CHARACTER: ignored
    minimum_frequency: BPE, WORDPIECE: a pair seen less often is not merged; default 0
    pattern: BPE: where words end. "gpt2" (default, also NULL), "llama3", "qwen2", or a regular
        expression (PCRE2, Unicode) whose matches and the stretches between them become the words.
    special_tokens: special_token_count texts; BPE, WORDPIECE: they get the ids from 0 on,
        CHARACTER: the ids after the characters
    special_token_count: default 0; for WORDPIECE that means [PAD] [UNK] [CLS] [SEP] [MASK]. [CLS]
        and [SEP], where both are there, are put around texts
    add_prefix_space: BPE: 1: a space is put before a text that starts with none; default 0
    reserved: 0
    unknown_token: CHARACTER: the special token that stands for a character not seen in training;
        NULL (default): encoding one is FST_ERR_NOT_FOUND. WORDPIECE: stands for a word without
        pieces; NULL: [UNK]
    lowercase: WORDPIECE: 1 (default): text becomes lower case; 0: not
    strip_accents: WORDPIECE: 1: accents are taken off; 0: not; -1 (default): as lowercase
    chinese_characters: WORDPIECE: 1 (default): each is a word of its own; 0: not
    limit_alphabet: WORDPIECE: characters kept at most, the most frequent ones, of equals those of
        lower code points; 0 (default): all
    """
    _init_ = "fst_tokenizer_train_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("kind", ctypes.c_int32),
        ("vocabulary_size", ctypes.c_int32),
        ("minimum_frequency", ctypes.c_int64),
        ("pattern", ctypes.c_char_p),
        ("special_tokens", ctypes.POINTER(ctypes.c_char_p)),
        ("special_token_count", ctypes.c_size_t),
        ("add_prefix_space", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("unknown_token", ctypes.c_char_p),
        ("lowercase", ctypes.c_int32),
        ("strip_accents", ctypes.c_int32),
        ("chinese_characters", ctypes.c_int32),
        ("limit_alphabet", ctypes.c_int32),
    ]
    _kinds_ = dict(_fields_)


class WordpieceOptions(Struct):
    """Options of fst_tokenizer_load_wordpiece.
    Since 0.1

    lowercase: 1: text becomes lower case; 0: not; -1 (default): as do_lower_case of
        tokenizer_config.json beside the file, without one 1
    strip_accents: 1: accents are taken off; 0: not; -1 (default): as strip_accents there, without
        one as lowercase
    chinese_characters: 1: each Chinese character is a word of its own; 0: not; -1 (default): as
        tokenize_chinese_chars there, without one 1
    clean_text: 1 (default): control characters are dropped and white space becomes spaces; 0: not
    """
    _init_ = "fst_wordpiece_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("lowercase", ctypes.c_int32),
        ("strip_accents", ctypes.c_int32),
        ("chinese_characters", ctypes.c_int32),
        ("clean_text", ctypes.c_int32),
    ]
    _kinds_ = dict(_fields_)


class EncodeOptions(Struct):
    """Options of fst_tokenizer_encode.
    Since 0.1

    add_special_tokens: 1 (default): what the post-processor puts around a text (e.g. Llama 3's
        <|begin_of_text|>) is added; GPT-2 adds nothing. 0: never
    parse_special: 1 (default): a special token spelled out in the text becomes its id; 0: its
        characters are ordinary text, for text from strangers
    """
    _init_ = "fst_encode_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("add_special_tokens", ctypes.c_int32),
        ("parse_special", ctypes.c_int32),
    ]
    _kinds_ = dict(_fields_)


class AddedTokenOptions(Struct):
    """Options of fst_tokenizer_add_tokens.
    Since 0.1

    special: 1: decoding may skip it and parse_special governs it; default 0
    single_word: 1: only where no word character stands next to it; default 0
    strip_left: 1: takes white space before it along; default 0
    strip_right: 1: takes white space behind it along; default 0
    normalized: 1: looked for in the normalised text; default 0: in the text as given
    reserved: 0
    """
    _init_ = "fst_added_token_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("special", ctypes.c_int32),
        ("single_word", ctypes.c_int32),
        ("strip_left", ctypes.c_int32),
        ("strip_right", ctypes.c_int32),
        ("normalized", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]
    _kinds_ = dict(_fields_)


class ChatTemplate(Struct):
    """What stands before and behind each role's content. Texts are borrowed; NULL is "".
    Since 0.1

    begin: before everything
    system_prefix: before a system message
    system_suffix: behind a system message
    user_prefix: before a user's message
    user_suffix: behind a user's message
    assistant_prefix: before an answer; a generation prompt ends with it
    assistant_suffix: behind an answer
    default_system: system message of a conversation that begins with none; NULL (default): none
    trim: 1: white space at both ends of contents is left out, as Llama 3's template does
    train_suffix: 1 (default): assistant_suffix up to its first special token (all of it, where it
        has none) is trained on like the answer
    add_end: 1: the tokenizer's end token stands behind each assistant_suffix and is trained on
    reserved: 0
    input_prefix: records of instruction and input: stands between the two in the user's message;
        NULL (default): "\\\\n"
    input_system: default_system of records with an input; NULL (default): as default_system
    """
    _init_ = "fst_chat_template_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("begin", ctypes.c_char_p),
        ("system_prefix", ctypes.c_char_p),
        ("system_suffix", ctypes.c_char_p),
        ("user_prefix", ctypes.c_char_p),
        ("user_suffix", ctypes.c_char_p),
        ("assistant_prefix", ctypes.c_char_p),
        ("assistant_suffix", ctypes.c_char_p),
        ("default_system", ctypes.c_char_p),
        ("trim", ctypes.c_int32),
        ("train_suffix", ctypes.c_int32),
        ("add_end", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("input_prefix", ctypes.c_char_p),
        ("input_system", ctypes.c_char_p),
    ]
    _kinds_ = dict(_fields_)


class ModelConfig(Struct):
    """The architecture of a model. Fill with fst_model_config_init, which gives FST_FAMILY_GPT2's
        switches and small sizes.
    Since 0.1

    family: FST_FAMILY_ value: the naming used when saved; the switches below decide what is
        computed
    vocabulary_size: V, ≥ 1
    context_length: most positions of a sequence, ≥ 1
    layers: blocks, ≥ 1
    width: C, features of the residual stream
    heads: H, query heads; divides width unless head_size is given
    kv_heads: key and value heads, divides heads; 0: as heads
    head_size: D; 0: width / heads
    hidden_size: features inside the MLP; 0: 4·width
    position: FST_POSITION_ value
    norm: FST_NORM_ value
    activation: FST_ACTIVATION_ value
    gated: 1: MLP is down(act(gate(x))·up(x)), as SwiGLU; 0: down(act(up(x)))
    attention_bias: 1: biases on queries, keys, values
    output_bias: 1: bias on the attention's output projection
    mlp_bias: 1: biases in the MLP
    norm_bias: 1: LayerNorm has a bias; ignored for RMSNorm
    qk_norm: 1: RMSNorm over each query and key head before rotation
    tied: 1: the output head is the token embedding
    window: a token attends to at most this many tokens, itself included; 0: all before it
    norm_epsilon: inside the square root; default 1e-5
    rope_theta: base of the rotary frequencies; default 10000
    rope_scaling: FST_ROPE_ value
    rope_original_context: context the frequencies were trained for; 0: context_length
    rope_factor: default 1
    rope_low_frequency_factor: Llama 3, default 1
    rope_high_frequency_factor: Llama 3, default 4
    rope_attention_factor: YaRN; 0: 0.1·ln(factor) + 1
    rope_beta_fast: YaRN, default 32
    rope_beta_slow: YaRN, default 1
    dropout: on embeddings and on each branch before it joins the stream; default 0
    attention_dropout: on attention probabilities; default 0
    init_std: standard deviation of initial weights; residual projections get init_std /
        √(2·layers), as GPT-2, unless post_norm; default 0.02
    bos_id: -1: none
    eos_id: -1: none
    causal: 1 (default): a token attends to those before it and to itself; 0: to all of its
        document, as in an encoder, which cannot generate
    post_norm: 1: x = norm(x + f(x)) and no last norm, as BERT (arXiv 1810.04805); 0: x + f(norm(x))
    token_types: rows of the table of token types (segments) added to the embedding; 0: none
    embedding_norm: 1: a norm over the summed embeddings, before dropout
    position_offset: row of the position table that position 0 reads (RoBERTa: 2); the table has
        context_length + position_offset rows
    head_transform: 1: logits are of norm(act(W·h + b)), BERT's masked-LM head; b where mlp_bias is
    head_bias: 1: a bias on the logits
    pooler: 1: tanh(W·h + b) of each row's first token, the output "pooled", which heads with
        FST_POOL_POOLER read
    global_every: with a window in an encoder: layers 0, n, 2n … see everything; 0: the window holds
        in all. There a window is centred: |i − j| ≤ window / 2
    first_norm_free: 1: layer 0 has no attention norm, as ModernBERT after its embedding norm
    local_rope_theta: base of the rotary frequencies, which are not scaled there, of an encoder's
        layers with a window; 0: as the other layers
    backbone: FST_BACKBONE_ value; what belongs to another backbone is ignored
    image_channels: of images; 0 for text, as the two below
    image_height: pixels
    image_width: pixels
    patch_size: ViT: side of a patch; divides height and width
    stem: ResNet: FST_STEM_ value
    bottleneck: ResNet: 1: blocks of 1×1, 3×3, 1×1 that widen fourfold; 0: of two 3×3
    blocks_1: ResNet: blocks of the first stage
    blocks_2: of the second, which halves the image and doubles the channels; 0: no more stages
    blocks_3: of the third, likewise
    blocks_4: of the fourth, likewise
    stage_width: ResNet: channels of the first stage; width follows: that of the last
    batch_norm_momentum: share of the batch in the running statistics; default 0.1
    pad_id: the tokenizer's padding, for config.json; nothing here reads it. -1: none
    inputs: MLP: features of an observation, ≥ 1. Transformer: > 0: positions are vectors of that
        many features (fst_batch.observations) through a linear map instead of token ids; no
        vocabulary, no logits
    towers: MLP, CNN: 2: two trunks beside each other over the same input, an actor's and a
        critic's; 0 (default) and 1: one. width follows: towers · tower_width, tower t in the
        columns from t · tower_width of "hidden"
    tower_width: MLP: features of each of a tower's layers, of which there are `layers`, 1 to 8;
        CNN: of its linear layer
    cnn: CNN: FST_CNN_ value; all activations are ReLU
    orthogonal_gain: MLP, CNN: > 0: the weights begin orthogonal (Saxe et al., arXiv 1312.6120, as
        torch.nn.init.orthogonal_) times this gain; 0 (default): normal with init_std. Biases begin
        at 0
    """
    _init_ = "fst_model_config_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("family", ctypes.c_int32),
        ("vocabulary_size", ctypes.c_int32),
        ("context_length", ctypes.c_int32),
        ("layers", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("heads", ctypes.c_int32),
        ("kv_heads", ctypes.c_int32),
        ("head_size", ctypes.c_int32),
        ("hidden_size", ctypes.c_int32),
        ("position", ctypes.c_int32),
        ("norm", ctypes.c_int32),
        ("activation", ctypes.c_int32),
        ("gated", ctypes.c_int32),
        ("attention_bias", ctypes.c_int32),
        ("output_bias", ctypes.c_int32),
        ("mlp_bias", ctypes.c_int32),
        ("norm_bias", ctypes.c_int32),
        ("qk_norm", ctypes.c_int32),
        ("tied", ctypes.c_int32),
        ("window", ctypes.c_int32),
        ("norm_epsilon", ctypes.c_double),
        ("rope_theta", ctypes.c_double),
        ("rope_scaling", ctypes.c_int32),
        ("rope_original_context", ctypes.c_int32),
        ("rope_factor", ctypes.c_double),
        ("rope_low_frequency_factor", ctypes.c_double),
        ("rope_high_frequency_factor", ctypes.c_double),
        ("rope_attention_factor", ctypes.c_double),
        ("rope_beta_fast", ctypes.c_double),
        ("rope_beta_slow", ctypes.c_double),
        ("dropout", ctypes.c_double),
        ("attention_dropout", ctypes.c_double),
        ("init_std", ctypes.c_double),
        ("bos_id", ctypes.c_int64),
        ("eos_id", ctypes.c_int64),
        ("causal", ctypes.c_int32),
        ("post_norm", ctypes.c_int32),
        ("token_types", ctypes.c_int32),
        ("embedding_norm", ctypes.c_int32),
        ("position_offset", ctypes.c_int32),
        ("head_transform", ctypes.c_int32),
        ("head_bias", ctypes.c_int32),
        ("pooler", ctypes.c_int32),
        ("global_every", ctypes.c_int32),
        ("first_norm_free", ctypes.c_int32),
        ("local_rope_theta", ctypes.c_double),
        ("backbone", ctypes.c_int32),
        ("image_channels", ctypes.c_int32),
        ("image_height", ctypes.c_int32),
        ("image_width", ctypes.c_int32),
        ("patch_size", ctypes.c_int32),
        ("stem", ctypes.c_int32),
        ("bottleneck", ctypes.c_int32),
        ("blocks_1", ctypes.c_int32),
        ("blocks_2", ctypes.c_int32),
        ("blocks_3", ctypes.c_int32),
        ("blocks_4", ctypes.c_int32),
        ("stage_width", ctypes.c_int32),
        ("batch_norm_momentum", ctypes.c_double),
        ("pad_id", ctypes.c_int64),
        ("inputs", ctypes.c_int32),
        ("towers", ctypes.c_int32),
        ("tower_width", ctypes.c_int32),
        ("cnn", ctypes.c_int32),
        ("orthogonal_gain", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class ModelOptions(Struct):
    """How a model is held in memory, apart from its architecture.
    Since 0.1

    dtype: FST_F32 (default) or FST_BF16: bfloat16 working weights and activations over float32
        master weights, gradients and residual stream
    checkpointing: 1: keep only each block's input and compute the block again in backward; default
        0
    """
    _init_ = "fst_model_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("dtype", ctypes.c_int32),
        ("checkpointing", ctypes.c_int32),
    ]
    _kinds_ = dict(_fields_)


class HeadOptions(Struct):
    """A head over the hidden states: linear, or with one or two layers before the linear one, x ←
        norm(act(W·dropout(x) + b)), as RoBERTa's classifier, ModernBERT's or the projection heads
        of contrastive learning (SimCLR, arXiv 2002.05709) have.
    Since 0.1

    name: 1 to 31 of a–z, 0–9 and _, not the name of another output; copied
    kind: FST_HEAD_ value; default FST_HEAD_SEQUENCE
    pooling: sequence heads: FST_POOL_ value; default FST_POOL_LAST
    outputs: K ≥ 1; default 1
    bias: 1 (default): y = W·h + b; 0: no b
    reserved: 0
    init_std: standard deviation of the initial weights; 0: zeros, as a value head wants; default
        0.02
    dropout: on the input of each of its layers, in training, 0 ≤ p < 1; default 0
    hidden_layers: 0 (default) to 2 layers before the one that gives the outputs
    activation: FST_ACTIVATION_ value behind each hidden layer; 0 (default): FST_ACTIVATION_RELU
    hidden_size: features of a hidden layer; 0 (default): the model's width
    batch_norm: 1: sequence heads: batch norm before each hidden layer's activation and, without
        gain and bias, behind the last layer, as SimCLR's projection head (arXiv 2002.05709); not
        with layer_norm; default 0
    hidden_bias: 1 (default): biases in the hidden layers; 0: none
    layer_norm: 1: LayerNorm behind each hidden layer's activation; default 0
    norm_bias: 1: it has a bias; default 0
    norm_epsilon: inside its square root; default 1e-5
    tower: of a model with towers: 1 or 2: reads that tower's columns alone, and `width` below is
        tower_width; 0 (default): all of the hidden state
    reserved_2: 0
    orthogonal_gain: > 0: the weights begin orthogonal times this gain
        (fst_model_config.orthogonal_gain) and init_std is ignored; default 0
    init_bias: first value of each bias, a log σ for example; default 0
    """
    _init_ = "fst_head_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
        ("kind", ctypes.c_int32),
        ("pooling", ctypes.c_int32),
        ("outputs", ctypes.c_int64),
        ("bias", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("init_std", ctypes.c_double),
        ("dropout", ctypes.c_double),
        ("hidden_layers", ctypes.c_int32),
        ("activation", ctypes.c_int32),
        ("hidden_size", ctypes.c_int64),
        ("batch_norm", ctypes.c_int32),
        ("hidden_bias", ctypes.c_int32),
        ("layer_norm", ctypes.c_int32),
        ("norm_bias", ctypes.c_int32),
        ("norm_epsilon", ctypes.c_double),
        ("tower", ctypes.c_int32),
        ("reserved_2", ctypes.c_int32),
        ("orthogonal_gain", ctypes.c_double),
        ("init_bias", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class SentenceOptions(Struct):
    """How a model's hidden states become the embedding of a text.
    Since 0.1

    pooling: FST_POOL_LAST, FIRST, MEAN (default) or MAX over the tokens that count
    normalize: 1 (default): divided by its Euclidean norm
    length: most tokens of a text, those behind are cut off; 0 (default): the model's context_length
    """
    _init_ = "fst_sentence_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("pooling", ctypes.c_int32),
        ("normalize", ctypes.c_int32),
        ("length", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class ForwardOptions(Struct):
    """Options of fst_model_forward.
    Since 0.1

    mode: FST_FORWARD_ value; default FST_FORWARD_TRAIN
    dropout: 1 (default): dropout as configured, in training; 0: none, though activations are kept
        for backward
    step: number of the draw of dropout masks: the same step gives the same masks; default 0
    temperature: > 0: logits are divided by it in losses, log-probabilities and entropies ("logits"
        are not); default 1
    """
    _init_ = "fst_forward_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("mode", ctypes.c_int32),
        ("dropout", ctypes.c_int32),
        ("step", ctypes.c_int64),
        ("temperature", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class LossOptions(Struct):
    """Options of fst_model_loss.
    Since 0.1

    scale: the gradient is that of scale · Σ loss; 0 (default): 1 / Σ weights, the mean over this
        batch. For accumulation pass 1 / tokens of all micro-batches
    label_smoothing: default 0
    z_loss: coefficient of logsumexp², as PaLM (arXiv 2204.02311); default 0
    """
    _init_ = "fst_loss_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("scale", ctypes.c_double),
        ("label_smoothing", ctypes.c_double),
        ("z_loss", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class Loss(Struct):
    """What fst_model_loss found.
    Since 0.1

    loss: Σ weight · cross entropy in nats, label smoothing included
    z_loss: Σ weight · z_loss · logsumexp²
    weight: Σ weights of the targets that count
    tokens: targets that count
    correct: targets that are the largest logit
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("loss", ctypes.c_double),
        ("z_loss", ctypes.c_double),
        ("weight", ctypes.c_double),
        ("tokens", ctypes.c_int64),
        ("correct", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class EmbedOptions(Struct):
    """Options of fst_model_embed.
    Since 0.1

    head: name of a sequence head whose outputs are the embeddings; NULL (default): the pooled
        hidden states
    pooling: without head: FST_POOL_ value; default FST_POOL_AUTO
    normalise: 1 (default): scaled to length 1, so that products are cosines; 0: as they are
    rows: examples of a batch; default 32
    sequence: texts: which sequence of each example; default 0, the first
    """
    _init_ = "fst_embed_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("head", ctypes.c_char_p),
        ("pooling", ctypes.c_int32),
        ("normalise", ctypes.c_int32),
        ("rows", ctypes.c_int64),
        ("sequence", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class DatasetTextOptions(Struct):
    """How texts become documents of ids.
    Since 0.1

    documents: text files: FST_DOCUMENT_ value; default FST_DOCUMENT_FILE
    add_bos: 1: each document begins with bos_id; default 0. A document that begins with it anyway
        is refused
    add_eos: 1: each document ends with eos_id; default 0
    bos_id: −1 (default): the tokenizer's
    eos_id: −1 (default): the tokenizer's
    special_tokens: 1: the text of a special token in a document becomes that token; 0 (default): it
        is text like any other
    keep_invalid_utf8: 1: bytes that are not UTF-8 are handed to the tokenizer as they are; 0
        (default): refused with file and byte
    reserved: 0
    field: JSONL: name of the string member that holds the text; NULL (default): "text"
    maximum_documents: stop after so many; 0 (default): all
    """
    _init_ = "fst_dataset_text_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("documents", ctypes.c_int32),
        ("add_bos", ctypes.c_int32),
        ("add_eos", ctypes.c_int32),
        ("bos_id", ctypes.c_int32),
        ("eos_id", ctypes.c_int32),
        ("special_tokens", ctypes.c_int32),
        ("keep_invalid_utf8", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("field", ctypes.c_char_p),
        ("maximum_documents", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)

_fst_dataset_token_options_release = _callback_type(None, (), True, ctypes.c_void_p)

class DatasetTokenOptions(Struct):
    """How an array of ids becomes a dataset.
    Since 0.1

    type: FST_TOKENS_ value; default FST_TOKENS_I32
    copy: 1: the ids are copied during the call; 0 (default): borrowed until release is called
    vocabulary_size: ids at or above it are refused; 0 (default): any id ≥ 0 that fits an int32_t
    release: Called once, from whichever thread lets go of the ids last; NULL (default): the caller
        keeps them until every handle made from this dataset is destroyed. Not called when create
        fails.
    release_user: handed to release
    token_bytes: [vocabulary_size] bytes of text each id stands for, 0 for special tokens; copied;
        NULL (default): unknown, and fst_dataset_info's byte counts are 0. Needs vocabulary_size.
    word_continues: [count] 1 where an id goes on with the word of the id before it, for whole-word
        masking; copied; NULL (default): not known. A document begins a word whatever it says.
    """
    _init_ = "fst_dataset_token_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("type", ctypes.c_int32),
        ("copy", ctypes.c_int32),
        ("vocabulary_size", ctypes.c_int64),
        ("release", _fst_dataset_token_options_release),
        ("release_user", ctypes.c_void_p),
        ("token_bytes", ctypes.POINTER(ctypes.c_int32)),
        ("word_continues", ctypes.POINTER(ctypes.c_uint8)),
    ]
    _kinds_ = dict(_fields_)


class SplitOptions(Struct):
    """Options of fst_dataset_split.
    Since 0.1

    mode: FST_SPLIT_ value; default FST_SPLIT_TAIL
    reserved: 0
    fraction: part that goes to validation, 0 < fraction < 1; default 0.1
    """
    _init_ = "fst_split_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("mode", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("fraction", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class PackOptions(Struct):
    """Options of fst_dataset_pack.
    Since 0.1

    length: ids of a row, 1 … 2²⁴; default 256
    mode: FST_PACK_ value; default FST_PACK_WRAPPED
    cross_documents: 1 (default): documents in a row see each other, positions run through the row
        and the first id of a document is predicted from the document before it. 0: they do not;
        positions begin at 0 with each document, and its last id has no target.
    pad_id: id that fills a row up; its target is FST_IGNORE; default 0
    drop_last: wrapped: 1 leaves out a last row that is not full; default 0
    """
    _init_ = "fst_pack_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("length", ctypes.c_int64),
        ("mode", ctypes.c_int32),
        ("cross_documents", ctypes.c_int32),
        ("pad_id", ctypes.c_int32),
        ("drop_last", ctypes.c_int32),
    ]
    _kinds_ = dict(_fields_)


class DatasetInfo(Struct):
    """What a dataset holds; filled by fst_dataset_get_info.
    Since 0.1

    documents: documents, cut ones included
    tokens: ids in them
    bytes: bytes of text they stand for; 0 if unknown
    rows: rows of an epoch; 0 if not packed. Random windows: ⌊tokens / length⌋, at least 1
    length: ids of a row; 0 if not packed
    targets: targets of an epoch that are not ignored; random windows: rows·length
    target_bytes: bytes of text that those stand for, so that bits per byte = summed loss / (ln 2 ·
        target_bytes); 0 if unknown, and for random windows
    maximum_id: largest id there is
    cross_documents: as packed; 1 if not packed
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("documents", ctypes.c_int64),
        ("tokens", ctypes.c_int64),
        ("bytes", ctypes.c_int64),
        ("rows", ctypes.c_int64),
        ("length", ctypes.c_int64),
        ("targets", ctypes.c_int64),
        ("target_bytes", ctypes.c_int64),
        ("maximum_id", ctypes.c_int32),
        ("cross_documents", ctypes.c_int32),
    ]
    _kinds_ = dict(_fields_)


class ExampleOptions(Struct):
    """How records become examples. Texts are borrowed during the call that takes the options.
    Since 0.1

    kind: files: FST_EXAMPLES_ value; default FST_EXAMPLES_CONVERSATIONS
    format: files: FST_FORMAT_ value; default FST_FORMAT_AUTO
    chat: NULL (default): plain for conversations and preferences; labelled texts and prompts as
        they are
    max_length: most ids of a sequence; 0 (default): no limit
    too_long: FST_TOO_LONG_ value; default FST_TOO_LONG_ERROR
    drop_useless: 1: an example with nothing to train on (a conversation without an answer or with
        an empty one, answers cut away, no label at all) and one whose answers are identical after
        cutting is left out and counted; of more than two answers only those that repeat an earlier
        one. 0 (default): refused.
    header: CSV, TSV: 1: the first line names the columns; 0 (default): they are called "0", "1", …
    add_bos: texts without a template: 1: begins with the tokenizer's begin token (BERT's [CLS]);
        default 0
    add_eos: texts without a template: 1: ends with the tokenizer's end token (BERT's [SEP]);
        default 0
    latin1: files: 1: bytes are ISO 8859-1; 0 (default): UTF-8
    maximum_examples: stop after so many; 0 (default): all
    records: JSON: where the records are, e.g. "data", "*.content.*" (* goes through an array or
        object); NULL (default): the root
    text_field: labelled, prompts: the text; pairs: the anchor; conversations, prompts: the list of
        messages; NULL (default): "text", "messages" or "conversations"; pairs: "anchor",
        "sentence1" or "sent0"
    pair_field: labelled: a second text, NULL (default): none; pairs: the positive, NULL:
        "positive", "sentence2" or "sent1"
    prompt_field: the prompt, or instruction; NULL (default): found by the known layouts
    answer_field: the answer, or a list of them, best first; NULL (default): "completion" or
        "output"
    chosen_field: the better answer; NULL (default): "chosen"
    rejected_field: the worse answer; NULL (default): "rejected"
    margin_field: preferences: a number; NULL (default): "margin" where there is one, else 0
    history: labelled files: this many records before it in the same list stand in front (turns of a
        dialogue); default 0
    history_separator: between those; special tokens are recognised in it; default "\\\\n"
    label_fields: [label_count] members or columns; NULL (default): "label"
    label_values: [label_count] NULL: the value is a number; or "Poor=1,Not Good=2,…": the number
        for each value, "*=0" for all that are not named; without it a value not named is missing,
        like null, an empty text and a member that is not there. Of an array the greatest. NULL
        (default): all numbers.
    label_count: labels of an example; default 0: one, "label"; of pairs none
    pair_separator: labelled without a template: between text and pair; special tokens are
        recognised in it (BERT: "[SEP]"); default "\\\\n"
    negative_field: pairs: the hard negative; NULL (default): "negative" or "hard_neg" where there
        is one
    """
    _init_ = "fst_example_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("kind", ctypes.c_int32),
        ("format", ctypes.c_int32),
        ("chat", ctypes.POINTER(ChatTemplate)),
        ("max_length", ctypes.c_int64),
        ("too_long", ctypes.c_int32),
        ("drop_useless", ctypes.c_int32),
        ("header", ctypes.c_int32),
        ("add_bos", ctypes.c_int32),
        ("add_eos", ctypes.c_int32),
        ("latin1", ctypes.c_int32),
        ("maximum_examples", ctypes.c_int64),
        ("records", ctypes.c_char_p),
        ("text_field", ctypes.c_char_p),
        ("pair_field", ctypes.c_char_p),
        ("prompt_field", ctypes.c_char_p),
        ("answer_field", ctypes.c_char_p),
        ("chosen_field", ctypes.c_char_p),
        ("rejected_field", ctypes.c_char_p),
        ("margin_field", ctypes.c_char_p),
        ("history", ctypes.c_int64),
        ("history_separator", ctypes.c_char_p),
        ("label_fields", ctypes.POINTER(ctypes.c_char_p)),
        ("label_values", ctypes.POINTER(ctypes.c_char_p)),
        ("label_count", ctypes.c_int64),
        ("pair_separator", ctypes.c_char_p),
        ("negative_field", ctypes.c_char_p),
    ]
    _kinds_ = dict(_fields_)


class ExamplesInfo(Struct):
    """What a dataset of examples holds; filled by fst_dataset_get_examples_info.
    Since 0.1

    kind: FST_EXAMPLES_ value
    reserved: 0
    examples: examples
    sequences: sequences of all examples
    tokens: ids of all sequences
    trained_tokens: ids that are trained on; of a sequence's first id nothing predicts it, so it
        never counts; FST_EXAMPLES_TOKENS: ids with a class
    longest: ids of the longest sequence
    label_count: labels of an example; 0 if not labelled
    dropped_too_long: examples left out by the call that read them, as the next two
    cut: examples kept and cut
    dropped_useless: examples, and of more than two answers repeated ones, left out
    maximum_answers: most sequences of an example
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("kind", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("examples", ctypes.c_int64),
        ("sequences", ctypes.c_int64),
        ("tokens", ctypes.c_int64),
        ("trained_tokens", ctypes.c_int64),
        ("longest", ctypes.c_int64),
        ("label_count", ctypes.c_int64),
        ("dropped_too_long", ctypes.c_int64),
        ("cut", ctypes.c_int64),
        ("dropped_useless", ctypes.c_int64),
        ("maximum_answers", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class Example(Struct):
    """One sequence of an example, borrowed while the dataset lives.
    Since 0.1

    ids: [length]
    trained: [length] 1 where the id is trained on
    length: ids of the sequence, at least 1
    sequences: sequences of the example
    labels: [label_count] of the example; NULL if not labelled
    margin: preferences: the pair's margin; else 0
    prompt_length: ids before the first that is trained on; length where there is none
    second_begin: labelled texts with a pair and no template: ids before the pair's text, which have
        token type 0, the others 1; length where there is one text
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("ids", ctypes.POINTER(ctypes.c_int32)),
        ("trained", ctypes.POINTER(ctypes.c_uint8)),
        ("length", ctypes.c_int64),
        ("sequences", ctypes.c_int64),
        ("labels", ctypes.POINTER(ctypes.c_float)),
        ("margin", ctypes.c_double),
        ("prompt_length", ctypes.c_int64),
        ("second_begin", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)

_fst_image_options_release = _callback_type(None, (), True, ctypes.c_void_p)

class ImageOptions(Struct):
    """How images become a dataset.
    Since 0.1

    type: arrays: FST_PIXELS_ value; default FST_PIXELS_U8
    copy: arrays: 1: copied during the call; 0 (default): borrowed until release is called, unless
        they are converted
    release: Arrays: called once, from whichever thread lets go of the pixels last, or before the
        call returns where they were copied; NULL (default): the caller keeps them until every
        handle made from this dataset is destroyed. Not called when the call fails.
    release_user: handed to release
    channels: 1: grey, 0.2989·R + 0.587·G + 0.114·B of colours; 3: colours, of grey three times the
        same; 0 (default): as they are; of a folder as the first file
    height: resized to this height and width, bilinear and antialiased; 0 (default), both: as they
        are, and in a folder all of one size
    width: see height
    reserved: 0
    maximum_images: stop after so many, in a folder so many of each class; 0 (default): all
    mean: [channels] taken off whenever images are read; copied; NULL (default): 0. Needs std
    std: [channels] by which they are then divided, > 0; copied; NULL (default): 1. Needs mean
    class_names: [class_count] arrays and IDX: names kept with the dataset; copied; NULL (default):
        none
    class_count: default 0
    """
    _init_ = "fst_image_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("type", ctypes.c_int32),
        ("copy", ctypes.c_int32),
        ("release", _fst_image_options_release),
        ("release_user", ctypes.c_void_p),
        ("channels", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("maximum_images", ctypes.c_int64),
        ("mean", ctypes.POINTER(ctypes.c_double)),
        ("std", ctypes.POINTER(ctypes.c_double)),
        ("class_names", ctypes.POINTER(ctypes.c_char_p)),
        ("class_count", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class ImagesInfo(Struct):
    """What a dataset of images holds; filled by fst_dataset_get_images_info.
    Since 0.1

    images: images
    label_count: labels of each; 0: none
    classes: names of classes that fst_dataset_get_class_name knows; 0: none
    channels: 1 or 3
    height: pixels
    width: pixels
    type: FST_PIXELS_ value
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("images", ctypes.c_int64),
        ("label_count", ctypes.c_int64),
        ("classes", ctypes.c_int64),
        ("channels", ctypes.c_int32),
        ("height", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("type", ctypes.c_int32),
    ]
    _kinds_ = dict(_fields_)


class AugmentOptions(Struct):
    """What is done to an image each time it is read, in this order: shift, rotation, crop, flip,
        jitter, grey, blur, then mean and std. What has probability, degrees or pixels 0 is not
        done.
    Since 0.1

    crop: 1: RandomResizedCrop back to the same size, bilinear and antialiased; default 0
    shift: RandomCrop with this padding: moved by −shift … shift whole pixels each way; default 0
    crop_least_area: smallest part of the area, > 0; default 0.08
    crop_most_area: largest; default 1
    crop_least_ratio: smallest width / height, > 0; default 3/4
    crop_most_ratio: largest; default 4/3
    rotation: RandomRotation: by −rotation … rotation degrees, bilinear; default 0
    fill: shift, rotation: value of what comes in from outside; default 0
    flip: probability of RandomHorizontalFlip; default 0
    jitter: probability of ColorJitter; default 0
    brightness: jitter: factor from [max(0, 1 − b), 1 + b]; default 0.4
    contrast: jitter: likewise; default 0.4
    saturation: jitter: likewise, of colours; default 0.4
    hue: jitter: part of the circle from [−h, h], h ≤ 0.5, of colours; default 0.1
    grey: probability of RandomGrayscale, of colours; default 0
    blur: probability of GaussianBlur; default 0
    blur_kernel: pixels of its kernel, odd; 0 (default): the odd number at or above height / 10, at
        least 3
    reserved: 0
    blur_least_sigma: pixels, > 0; default 0.1
    blur_most_sigma: pixels; default 2
    mean: [channels] instead of fst_image_options.mean; NULL (default): that of the dataset. Needs
        std
    std: [channels] likewise, > 0
    channel_count: entries of mean and std; 0 (default) where they are NULL
    """
    _init_ = "fst_augment_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("crop", ctypes.c_int32),
        ("shift", ctypes.c_int32),
        ("crop_least_area", ctypes.c_double),
        ("crop_most_area", ctypes.c_double),
        ("crop_least_ratio", ctypes.c_double),
        ("crop_most_ratio", ctypes.c_double),
        ("rotation", ctypes.c_double),
        ("fill", ctypes.c_double),
        ("flip", ctypes.c_double),
        ("jitter", ctypes.c_double),
        ("brightness", ctypes.c_double),
        ("contrast", ctypes.c_double),
        ("saturation", ctypes.c_double),
        ("hue", ctypes.c_double),
        ("grey", ctypes.c_double),
        ("blur", ctypes.c_double),
        ("blur_kernel", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("blur_least_sigma", ctypes.c_double),
        ("blur_most_sigma", ctypes.c_double),
        ("mean", ctypes.POINTER(ctypes.c_double)),
        ("std", ctypes.POINTER(ctypes.c_double)),
        ("channel_count", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class RunProgress(Struct):
    """Where a run stands; handed to the progress callback and filled by fst_run_step. What was not
        measured yet is NaN.
    Since 0.1

    step: steps done
    total_steps: 0: without an end
    tokens: targets trained on so far; in environments, their steps
    loss: of the last step, per token, in nats
    learning_rate: of the last step
    gradient_norm: of the last step, before clipping
    validation_loss: of the last evaluation
    tokens_per_second: of the last steps, evaluation and saving left out
    seconds_left: to total_steps at that speed
    evaluated: 1: validation_loss is of this step
    finished: 1: total_steps are done, or the run stopped early
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("step", ctypes.c_int64),
        ("total_steps", ctypes.c_int64),
        ("tokens", ctypes.c_int64),
        ("loss", ctypes.c_double),
        ("learning_rate", ctypes.c_double),
        ("gradient_norm", ctypes.c_double),
        ("validation_loss", ctypes.c_double),
        ("tokens_per_second", ctypes.c_double),
        ("seconds_left", ctypes.c_double),
        ("evaluated", ctypes.c_int32),
        ("finished", ctypes.c_int32),
    ]
    _kinds_ = dict(_fields_)

_fst_run_options_progress = _callback_type(ctypes.c_int32, (_from_pointer,), True,
        ctypes.POINTER(RunProgress), ctypes.c_void_p)

class RunOptions(Struct):
    """What all stages have in common; handed to a stage's create function.
    Since 0.1

    total_steps: where the run ends; 0 (default): nowhere
    evaluate_every: evaluate after so many steps, and at the end; 0 (default): never by itself
    patience: stop early after so many evaluations without a better one; 0 (default): never
    save_every: save into directory after so many steps; 0 (default): at the end only
    keep: newest checkpoints to keep in directory, older ones are removed; 0: all; default 2
    directory: Folder for checkpoints, created when first needed; NULL (default): nothing is saved
        by itself. Copied.
    save_best: 1: the state with the best evaluation is saved as best.safetensors too; default 0
    reserved: 0
    progress: Called after each step, with its evaluation and saving done; progress is borrowed for
        the call. 0 goes on; > 0 stops the verb with FST_STOPPED; < 0 ends it with that value.
    progress_user: handed to progress
    """
    _init_ = "fst_run_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("total_steps", ctypes.c_int64),
        ("evaluate_every", ctypes.c_int64),
        ("patience", ctypes.c_int64),
        ("save_every", ctypes.c_int64),
        ("keep", ctypes.c_int64),
        ("directory", ctypes.c_char_p),
        ("save_best", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("progress", _fst_run_options_progress),
        ("progress_user", ctypes.c_void_p),
    ]
    _kinds_ = dict(_fields_)


class RunInfo(Struct):
    """The state of a run; filled by fst_run_get_info.
    Since 0.1

    stage: "pretrain", "sft" and so on; static text
    step: steps done
    total_steps: 0: without an end
    micro_step: micro-batches of the present step that are done
    micro_steps: micro-batches of a step
    tokens: targets trained on so far; in environments, their steps
    seconds: spent in steps since the run was created, evaluation and saving left out
    best: best evaluation that counted; NaN: none
    best_step: its step; 0: none
    finished: 1: total_steps are done, or the run stopped early
    stopped_early: 1: for want of better evaluations
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("stage", ctypes.c_char_p),
        ("step", ctypes.c_int64),
        ("total_steps", ctypes.c_int64),
        ("micro_step", ctypes.c_int64),
        ("micro_steps", ctypes.c_int64),
        ("tokens", ctypes.c_int64),
        ("seconds", ctypes.c_double),
        ("best", ctypes.c_double),
        ("best_step", ctypes.c_int64),
        ("finished", ctypes.c_int32),
        ("stopped_early", ctypes.c_int32),
    ]
    _kinds_ = dict(_fields_)


class Memory(Struct):
    """Memory a run works with, in bytes; filled by fst_run_memory.
    Since 0.1

    weights: float32 weights
    working: bfloat16 copies of the weights; 0 in a float32 model
    gradients: float32
    moments: the optimizer's state
    activations: of a training step or an evaluation, whichever is more, scratch included
    data: the batch
    total: all of these: the planned peak
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("weights", ctypes.c_int64),
        ("working", ctypes.c_int64),
        ("gradients", ctypes.c_int64),
        ("moments", ctypes.c_int64),
        ("activations", ctypes.c_int64),
        ("data", ctypes.c_int64),
        ("total", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class ContrastiveOptions(Struct):
    """Options of fst_contrastive_create.
    Since 0.1

    model: what is trained; kept alive by the run
    optimizer: Made for this model; kept alive by the run. NULL (default): AdamW with the defaults
        of fst_optimizer_options.
    train: texts of any kind, not packed, or images; kept alive by the run
    validation: As train; or pairs with one label each, how alike the two are (STS); kept alive by
        the run. NULL (default): none.
    run: read during create; NULL (default): defaults
    head: Name of a sequence head whose outputs the loss compares, a projection head; validation by
        labels does without. NULL (default): the pooled hidden states themselves.
    pooling: FST_POOL_ value of embeddings without head; default FST_POOL_AUTO
    objective: FST_CONTRASTIVE_ value; default FST_CONTRASTIVE_AUTO
    views: FST_VIEWS_ value; default FST_VIEWS_AUTO
    shuffle: 1 (default): each epoch in an order of its own
    temperature: τ > 0; 0 (default): 0.05 for texts, 0.1 for images
    hard_negative_logit: see fst_contrastive_loss_options; default 0
    rows: examples of a step, each other's negatives, at least 2; default 64
    chunk: Examples that pass through the model at once. 0 (default): all. Less than rows: the batch
        may be larger than what memory holds of activations, at the price of a second forward
        (gradient caching; Gao et al., arXiv 2101.06983). The gradient is that of the whole batch.
    evaluation_rows: first examples of validation to evaluate on; 0 (default): all
    length: longest sequence that memory is planned for; 0 (default): the longest of train and
        validation
    chunk_statistics: 1: chunk < rows is allowed for a model with batch norm, whose statistics are
        then those of each chunk, no longer those of the batch; default 0
    spike_action: FST_SPIKE_ value; default FST_SPIKE_NONE
    spike_loss_z: deviations above the running mean at which a loss is a spike; 0 (default): not
        watched
    spike_gradient_z: the same for the gradient's norm; 0 (default): not watched
    spike_warmup: steps that only fill the running statistics; default 100
    spike_patience: spikes in a row before a roll back; default 10
    spike_rollbacks: roll backs before the run gives up with FST_ERR_NUMERIC; default 3
    augment: Images: what makes views of them; read during create. NULL (default): SimCLR's with
        strength 0.5, fst_augment_options_simclr.
    """
    _init_ = "fst_contrastive_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("model", ctypes.c_void_p),
        ("optimizer", ctypes.c_void_p),
        ("train", ctypes.c_void_p),
        ("validation", ctypes.c_void_p),
        ("run", ctypes.POINTER(RunOptions)),
        ("head", ctypes.c_char_p),
        ("pooling", ctypes.c_int32),
        ("objective", ctypes.c_int32),
        ("views", ctypes.c_int32),
        ("shuffle", ctypes.c_int32),
        ("temperature", ctypes.c_double),
        ("hard_negative_logit", ctypes.c_double),
        ("rows", ctypes.c_int64),
        ("chunk", ctypes.c_int64),
        ("evaluation_rows", ctypes.c_int64),
        ("length", ctypes.c_int64),
        ("chunk_statistics", ctypes.c_int32),
        ("spike_action", ctypes.c_int32),
        ("spike_loss_z", ctypes.c_double),
        ("spike_gradient_z", ctypes.c_double),
        ("spike_warmup", ctypes.c_int64),
        ("spike_patience", ctypes.c_int64),
        ("spike_rollbacks", ctypes.c_int64),
        ("augment", ctypes.POINTER(AugmentOptions)),
    ]
    _kinds_ = dict(_fields_)


class ControlPolicyOptions(Struct):
    """How a policy is made.
    Since 0.1

    observation_space: needed; copied with its arrays
    action_space: needed; likewise. A Box must be of float32
    model: NULL (default): a model is made by the fields below. Else this one is used and kept
        alive, say a pretrained ResNet: its heads "policy", "value", "log_std", with those that it
        lacks added; which needs that no optimizer of it lives. The fields from network to
        orthogonal are then not read, but for window.
    network: FST_NETWORK_ value; default FST_NETWORK_AUTO
    shared: 1: actor and critic are heads over one trunk; 0: each has a trunk of its own; −1
        (default): 0 for an MLP, else 1. A transformer is always shared
    layers: MLP: hidden layers, 1 to 8; transformer: blocks; CNN: not read; 0 (default): 2
    width: features of a layer; 0 (default): MLP and transformer 64, CNN's last layer 512 or
        (FST_CNN_SMALL) 128
    activation: MLP, transformer: FST_ACTIVATION_ value; 0 (default): FST_ACTIVATION_TANH,
        transformer FST_ACTIVATION_GELU
    window: transformer: observations it sees, the present one among them, 1 to 4096; default 8; of
        a model that is given: at most its context_length
    heads: transformer: attention heads, divides width; default 4
    orthogonal: 1 (default): weights begin orthogonal, times √2 in an MLP or CNN, policy_gain in the
        head "policy" and 1 in "value"; biases at 0. 0: normal, with the deviation 1/√(3·width)
    policy_gain: default 0.01: at first all choices are about as likely
    initial_log_std: Box actions: log σ at first; default 0
    normalize_observations: 1: a Box of float32 is normalised by running statistics; default 0
    reserved: 0
    observation_clip: of normalised observations, > 0; default 10
    """
    _init_ = "fst_control_policy_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("observation_space", ctypes.POINTER(Space)),
        ("action_space", ctypes.POINTER(Space)),
        ("model", ctypes.c_void_p),
        ("network", ctypes.c_int32),
        ("shared", ctypes.c_int32),
        ("layers", ctypes.c_int32),
        ("width", ctypes.c_int32),
        ("activation", ctypes.c_int32),
        ("window", ctypes.c_int32),
        ("heads", ctypes.c_int32),
        ("orthogonal", ctypes.c_int32),
        ("policy_gain", ctypes.c_double),
        ("initial_log_std", ctypes.c_double),
        ("normalize_observations", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("observation_clip", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class ActOptions(Struct):
    """How to act.
    Since 0.1

    deterministic: 1: the most probable choice, the mean; 0 (default): drawn
    reserved: 0
    seed: a draw is a function of (seed, step, row); default 0
    step: ≥ 0; count it up, or the same noise is drawn again; default 0
    masks: [count, choices] 1 where a choice is allowed; NULL (default): all are
    begins: transformer: [count] 1: the row's observation is an episode's first, what was before is
        forgotten; NULL (default): all go on
    """
    _init_ = "fst_act_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("deterministic", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("seed", ctypes.c_int64),
        ("step", ctypes.c_int64),
        ("masks", ctypes.POINTER(ctypes.c_uint8)),
        ("begins", ctypes.POINTER(ctypes.c_uint8)),
    ]
    _kinds_ = dict(_fields_)


class ActionBatch(Struct):
    """What was done, for fst_policy_evaluate. Arrays are borrowed for the call.
    Since 0.1

    count: rows, ≥ 1
    observations: [count] values of the observation space; of a transformer [count, window], a row's
        oldest first
    actions: [count] values of the action space
    masks: [count, choices] as at the time of acting; NULL: all allowed
    lengths: transformer: [count] observations of each row that hold, 1 to window, the present one
        the last of them; NULL: window
    """
    _init_ = "fst_action_batch_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("count", ctypes.c_int64),
        ("observations", ctypes.c_void_p),
        ("actions", ctypes.c_void_p),
        ("masks", ctypes.POINTER(ctypes.c_uint8)),
        ("lengths", ctypes.POINTER(ctypes.c_int32)),
    ]
    _kinds_ = dict(_fields_)


class EnvCall(Struct):
    """What a callback reads and writes. Arrays have a row for every environment of the batch; a call
        touches the rows of its indices alone. Rows keep what the callback wrote there last.
    Since 0.1

    count: environments of this call
    indices: [count] which, ascending
    seeds: reset: [count] the episode's seed, 0 ≤ seed < 2^53; step: NULL
    actions: step: [environments] values of the action space, checked and clipped; reset: NULL
    observations: [environments] values of the observation space: the callback writes
    rewards: step: [environments], written; 0 before the call; reset: NULL
    terminated: step: [environments] 1: the episode has ended; 0 before the call; reset: NULL
    truncated: step: [environments] 1: the episode was cut short; 0 before the call; reset: NULL
    masks: with fst_env_options.masked: [environments, choices] 1 where a choice is allowed now; all
        1 before the call; else NULL
    players: with two players: [environments] who moves next, 0 or 1; 0 before the call; else NULL
    """
    _writable_ = ('rewards', 'terminated', 'truncated', 'masks', 'players')
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("count", ctypes.c_int64),
        ("indices", ctypes.POINTER(ctypes.c_int64)),
        ("seeds", ctypes.POINTER(ctypes.c_int64)),
        ("actions", ctypes.c_void_p),
        ("observations", ctypes.c_void_p),
        ("rewards", ctypes.POINTER(ctypes.c_double)),
        ("terminated", ctypes.POINTER(ctypes.c_uint8)),
        ("truncated", ctypes.POINTER(ctypes.c_uint8)),
        ("masks", ctypes.POINTER(ctypes.c_uint8)),
        ("players", ctypes.POINTER(ctypes.c_uint8)),
    ]
    _kinds_ = dict(_fields_)

_fst_env_callback = _callback_type(ctypes.c_int32, (_from_pointer,), True, ctypes.POINTER(EnvCall),
        ctypes.c_void_p)
_fst_env_save_callback = _callback_type(ctypes.c_int32, (None, None,), True, ctypes.c_int64,
        ctypes.c_void_p, ctypes.c_void_p)
_fst_env_load_callback = _callback_type(ctypes.c_int32, (None, None,), True, ctypes.c_int64,
        ctypes.c_void_p, ctypes.c_void_p)
_fst_env_render_callback = _callback_type(ctypes.c_int32, (None, None, None, None, None,), True,
        ctypes.c_int64, ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t,
        ctypes.POINTER(ctypes.c_size_t), ctypes.c_void_p)
_fst_env_options_destroy = _callback_type(None, (), True, ctypes.c_void_p)

class EnvOptions(Struct):
    """Options of fst_env_create.
    Since 0.1

    name: for error texts; copied; NULL (default): "environment"
    count: environments of the batch, ≥ 1; default 1
    observation_space: copied; needed
    action_space: copied; needed
    reset: begins episodes; needed
    step: takes a step; needed
    save: with state_bytes; default NULL
    load: with state_bytes; default NULL
    render: NULL (default): the environment cannot be drawn
    destroy: called once when the handle's last holder is gone; NULL (default): nothing to do
    user: handed to all of them
    state_bytes: of one environment's state; 0 (default): it cannot be saved, and a run that is
        resumed begins new episodes
    max_steps: an episode is truncated after so many steps; 0 (default): never
    masked: 1: callbacks write masks of allowed choices; default 0
    players: 1 (default); 2: a game in turns, whose rewards are of the player who has just moved and
        count negative for the other one
    auto_reset: 1 (default): the step that ends an episode begins the next; 0: fst_env_reset_some
        does
    reserved: 0
    """
    _init_ = "fst_env_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
        ("count", ctypes.c_int64),
        ("observation_space", ctypes.POINTER(Space)),
        ("action_space", ctypes.POINTER(Space)),
        ("reset", _fst_env_callback),
        ("step", _fst_env_callback),
        ("save", _fst_env_save_callback),
        ("load", _fst_env_load_callback),
        ("render", _fst_env_render_callback),
        ("destroy", _fst_env_options_destroy),
        ("user", ctypes.c_void_p),
        ("state_bytes", ctypes.c_int64),
        ("max_steps", ctypes.c_int64),
        ("masked", ctypes.c_int32),
        ("players", ctypes.c_int32),
        ("auto_reset", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]
    _kinds_ = dict(_fields_)


class EnvMakeOptions(Struct):
    """Options of fst_env_make; each environment reads what it knows.
    Since 0.1

    count: environments of the batch, ≥ 1; default 1
    max_steps: an episode is truncated after so many steps; 0: never; −1 (default): the
        environment's own number
    auto_reset: as fst_env_options.auto_reset; default 1
    slippery: FrozenLake: 1 (default): a step goes where it should in a third of all cases, else to
        a side; 0: always
    robot_obstacles: RobotNavigation: obstacles that stand, 0 … 16; default 6. A crowded room may
        get fewer
    robot_moving: RobotNavigation: obstacles that move, 0 … 8; default 2
    robot_rays: RobotNavigation: rays of the lidar, 4 … 64, all around; default 24
    reserved: 0
    robot_noise: RobotNavigation: factor of all standard deviations of sensors and wheels, 0 (none)
        … 10; default 1
    """
    _init_ = "fst_env_make_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("count", ctypes.c_int64),
        ("max_steps", ctypes.c_int64),
        ("auto_reset", ctypes.c_int32),
        ("slippery", ctypes.c_int32),
        ("robot_obstacles", ctypes.c_int32),
        ("robot_moving", ctypes.c_int32),
        ("robot_rays", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("robot_noise", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class EnvInfo(Struct):
    """What an environment is; filled by fst_env_get_info.
    Since 0.1

    name: borrowed while the environment lives
    count: environments of the batch
    observation_bytes: of one observation
    action_bytes: of one action
    choices: length of a mask; 0 without masks
    state_bytes: of fst_env_get_state; 0: none
    max_steps: 0: none
    masked: 1: it has masks
    players: 1 or 2
    auto_reset: 1: the step that ends an episode begins the next
    builtin: 1: made by fst_env_make
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
        ("count", ctypes.c_int64),
        ("observation_bytes", ctypes.c_int64),
        ("action_bytes", ctypes.c_int64),
        ("choices", ctypes.c_int64),
        ("state_bytes", ctypes.c_int64),
        ("max_steps", ctypes.c_int64),
        ("masked", ctypes.c_int32),
        ("players", ctypes.c_int32),
        ("auto_reset", ctypes.c_int32),
        ("builtin", ctypes.c_int32),
    ]
    _kinds_ = dict(_fields_)


class EnvBatch(Struct):
    """Where the batch stands; arrays are borrowed while the environment lives and change with each
        step.
    Since 0.1

    count: environments
    observations: [count] values of the observation space
    final_observations: [count] likewise: the last observation of the episode that ended last
    rewards: [count] of each environment's last step; 0 after a reset
    terminated: [count] 1: that step ended the task
    truncated: [count] 1: that step was the last one allowed; never together with terminated
    masks: [count, choices] 1: allowed now; NULL: no masks
    players: [count] who moves next; NULL: one player
    begins: [count] 1: the observation is an episode's first
    episode_returns: [count] sum of rewards: of the episode that has just ended, else so far. Two
        players: player 0's
    episode_lengths: [count] its steps, likewise
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("count", ctypes.c_int64),
        ("observations", ctypes.c_void_p),
        ("final_observations", ctypes.c_void_p),
        ("rewards", ctypes.POINTER(ctypes.c_double)),
        ("terminated", ctypes.POINTER(ctypes.c_uint8)),
        ("truncated", ctypes.POINTER(ctypes.c_uint8)),
        ("masks", ctypes.POINTER(ctypes.c_uint8)),
        ("players", ctypes.POINTER(ctypes.c_uint8)),
        ("begins", ctypes.POINTER(ctypes.c_uint8)),
        ("episode_returns", ctypes.POINTER(ctypes.c_double)),
        ("episode_lengths", ctypes.POINTER(ctypes.c_int64)),
    ]
    _kinds_ = dict(_fields_)


class Trajectories(Struct):
    """Where the steps of trajectories stand in arrays: step t of trajectory n at begin(n) +
        t·step_stride, begin(n) = offsets[n], or n·trajectory_stride.
    - Text, padded, [N, T]: trajectories N, steps T, lengths of the responses. - Text, one behind
        the other: offsets and lengths. - Environments, time-major [T, N]: trajectories N, steps T,
        trajectory_stride 1, step_stride N.
    Since 0.1

    trajectories: N ≥ 1
    steps: T, steps of each trajectory; not read where lengths is given
    trajectory_stride: in elements; 0 (default): steps. Not read where offsets is given
    step_stride: in elements; 0 (default): 1
    offsets: [trajectories] where each begins, in elements; NULL (default): by stride
    lengths: [trajectories] steps of each, ≥ 0; NULL (default): steps
    """
    _init_ = "fst_trajectories_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("trajectories", ctypes.c_int64),
        ("steps", ctypes.c_int64),
        ("trajectory_stride", ctypes.c_int64),
        ("step_stride", ctypes.c_int64),
        ("offsets", ctypes.POINTER(ctypes.c_int64)),
        ("lengths", ctypes.POINTER(ctypes.c_int64)),
    ]
    _kinds_ = dict(_fields_)


class GaeOptions(Struct):
    """Options of fst_advantages_gae.
    Since 0.1

    gamma: discount γ, 0 … 1; default 1, as for text; 0.99 is common for environments
    lambda_: λ, 0 … 1; default 0.95
    """
    _init_ = "fst_gae_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("gamma", ctypes.c_double),
        ("lambda", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class Baseline(Struct):
    """A moving mean of rewards: the baseline of REINFORCE (Williams, "Simple statistical
        gradient-following algorithms", 1992). Plain data that the caller keeps and saves.
    Since 0.1

    decay: what of the old mean stays at an update, 0 ≤ decay < 1; default 0.95
    mean: the mean so far
    updates: batches seen; 0: mean means nothing yet
    """
    _init_ = "fst_baseline_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("decay", ctypes.c_double),
        ("mean", ctypes.c_double),
        ("updates", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class LossWeightsOptions(Struct):
    """Options of fst_loss_weights.
    Since 0.1

    kind: FST_AGGREGATE_ value; default FST_AGGREGATE_TOKENS
    reserved: 0
    tokens: FST_AGGREGATE_TOKENS: tokens of the whole batch that count; 0 (default): of this call
    sequences: the others: sequences of the whole batch; 0 (default): of this call, also those
        without a token
    constant_length: FST_AGGREGATE_CONSTANT: ≥ 1; 0 (default): columns
    """
    _init_ = "fst_loss_weights_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("kind", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("tokens", ctypes.c_int64),
        ("sequences", ctypes.c_int64),
        ("constant_length", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class PolicyLossOptions(Struct):
    """Options of fst_loss_policy.
    Since 0.1

    clip_low: ε below 1, 0 … 1; default 0.2
    clip_high: ε above 1, ≥ 0; larger than clip_low: DAPO's clip-higher; default 0.2
    dual_clip: c > 1 (arXiv 1912.09729 uses 3); 0 (default): no dual clip
    """
    _init_ = "fst_policy_loss_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("clip_low", ctypes.c_double),
        ("clip_high", ctypes.c_double),
        ("dual_clip", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class PolicyLoss(Struct):
    """What fst_loss_policy found; means are over the elements that count, without weights.
    Since 0.1

    loss: Σ w·l
    clip_fraction: share whose ratio a clip has overruled: they have no gradient
    ratio_mean: mean of ρ
    ratio_max: largest ρ
    approximate_kl: mean of ρ − 1 − log ρ (k3): KL(old ‖ new)
    tokens: elements that count
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("loss", ctypes.c_double),
        ("clip_fraction", ctypes.c_double),
        ("ratio_mean", ctypes.c_double),
        ("ratio_max", ctypes.c_double),
        ("approximate_kl", ctypes.c_double),
        ("tokens", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class ValueLoss(Struct):
    """What fst_loss_value found.
    Since 0.1

    loss: Σ w·l
    clip_fraction: share whose clipped error was the larger
    explained_variance: 1 − Var(return − value)/Var(return) over those that count, without weights;
        NaN where all returns are equal
    tokens: elements that count
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("loss", ctypes.c_double),
        ("clip_fraction", ctypes.c_double),
        ("explained_variance", ctypes.c_double),
        ("tokens", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class KlController(Struct):
    """The KL penalty's coefficient. Plain data that the caller keeps and saves.
    Since 0.1

    kind: FST_KL_FIXED (default) or FST_KL_ADAPTIVE
    reserved: 0
    coefficient: β now, ≥ 0; default 0.05
    target: adaptive: KL of a sample to aim at, in nats, > 0; default 6
    horizon: adaptive: samples over which it moves, > 0; default 10000
    """
    _init_ = "fst_kl_controller_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("kind", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("coefficient", ctypes.c_double),
        ("target", ctypes.c_double),
        ("horizon", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class PreferenceLossOptions(Struct):
    """Options of fst_loss_preference.
    Since 0.1

    kind: FST_PREFERENCE_ value; default FST_PREFERENCE_DPO
    reserved: 0
    beta: β > 0; default 0.1
    label_smoothing: DPO: share ε of pairs that are labelled wrongly, 0 ≤ ε < 0.5; default 0
    """
    _init_ = "fst_preference_loss_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("kind", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("beta", ctypes.c_double),
        ("label_smoothing", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class PreferenceLoss(Struct):
    """What fst_loss_preference found; means are over the pairs that count, without weights.
    Since 0.1

    loss: Σ w·l
    accuracy: share of pairs whose chosen answer has the larger implicit reward; equal ones count
        half
    margin: mean of chosen minus rejected implicit reward, β·h
    chosen_reward: mean of β·(log π − log π_ref) of the chosen answers
    rejected_reward: mean of the same of the rejected answers
    pairs: pairs that count
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("loss", ctypes.c_double),
        ("accuracy", ctypes.c_double),
        ("margin", ctypes.c_double),
        ("chosen_reward", ctypes.c_double),
        ("rejected_reward", ctypes.c_double),
        ("pairs", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class KtoOptions(Struct):
    """Options of fst_loss_kto.
    Since 0.1

    beta: β > 0; default 0.1
    desirable_weight: λ_D ≥ 0; default 1
    undesirable_weight: λ_U ≥ 0; default 1
    reference_point: z₀ ≥ 0, from fst_kto_reference_point; no gradient flows through it; default 0
    """
    _init_ = "fst_kto_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("beta", ctypes.c_double),
        ("desirable_weight", ctypes.c_double),
        ("undesirable_weight", ctypes.c_double),
        ("reference_point", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class KtoLoss(Struct):
    """What fst_loss_kto found; means are over the answers that count, without weights.
    Since 0.1

    loss: Σ w·l
    desirable_reward: mean of β·(log π − log π_ref) of the desirable; NaN: none
    undesirable_reward: of the undesirable; NaN: none
    desirable: desirable answers that count
    undesirable: undesirable answers that count
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("loss", ctypes.c_double),
        ("desirable_reward", ctypes.c_double),
        ("undesirable_reward", ctypes.c_double),
        ("desirable", ctypes.c_int64),
        ("undesirable", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class ScoreLoss(Struct):
    """What a loss of scores found; means are over the pairs or labels that count, without weights; a
        field that does not apply is NaN.
    Since 0.1

    loss: Σ w·l, with the centering term
    centering: the centering term's part of loss
    accuracy: pairs: share in the right order, equal ones count half; ordinal and classes: share of
        the right level or class; labels: share told right
    margin: pairs: mean of the better's score minus the worse's
    error: labels: mean of |score − label|, or of levels missed by
    count: pairs or labels that count
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("loss", ctypes.c_double),
        ("centering", ctypes.c_double),
        ("accuracy", ctypes.c_double),
        ("margin", ctypes.c_double),
        ("error", ctypes.c_double),
        ("count", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class LabelLossOptions(Struct):
    """Options of fst_loss_classes and fst_loss_labels.
    Since 0.1

    label_smoothing: 0 ≤ ε < 1; default 0
    class_weights: finite, ≥ 0; NULL (default): 1. Classes: [classes], of each class; labels:
        [outputs], of the loss where the label is 1
    """
    _init_ = "fst_label_loss_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("label_smoothing", ctypes.c_double),
        ("class_weights", ctypes.POINTER(ctypes.c_double)),
    ]
    _kinds_ = dict(_fields_)


class ContrastiveLossOptions(Struct):
    """Options of fst_loss_ntxent and fst_loss_infonce.
    Since 0.1

    temperature: τ > 0; default 0.1; SimCSE has 0.05
    hard_negative_logit: added to an anchor's logits with its own hard negatives, ln α of SimCSE's
        weight α; default 0
    """
    _init_ = "fst_contrastive_loss_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("temperature", ctypes.c_double),
        ("hard_negative_logit", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class ContrastiveLoss(Struct):
    """What a contrastive loss found, over embeddings scaled to length 1.
    Since 0.1

    loss: mean over the anchors
    accuracy: share of anchors that lie closer to their positive than to anything else
    alignment: mean ‖a − p‖² of the positive pairs (Wang and Isola, arXiv 2005.10242, α = 2)
    uniformity: ln of the mean of exp(−2‖a − b‖²) over the anchors and what belongs to other
        examples, hard negatives left out (there, t = 2); NaN where there is none
    count: anchors
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("loss", ctypes.c_double),
        ("accuracy", ctypes.c_double),
        ("alignment", ctypes.c_double),
        ("uniformity", ctypes.c_double),
        ("count", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class SamplingOptions(Struct):
    """How the next token is drawn. The logits are changed in this order: repetition, presence and
        frequency penalties, bias, temperature, top-k, top-p, min-p; what is left is normalised, and
        a token's log-probability is that under this last distribution.
    Since 0.1

    max_new_tokens: most tokens to draw for each prompt, ≥ 0; default 128
    seed: with each prompt's index, selects its random numbers; default 0
    seeds: a seed for each prompt instead; NULL (default): from seed
    temperature: logits are divided by it; 0: always the most probable token, whose log-probability
        is then 0; default 1
    top_k: keep the k most probable; 0 (default): all
    ignore_end: 1: the model's end token does not end a sequence; default 0
    top_p: keep the most probable until their sum reaches p (arXiv 1904.09751), 0 < p ≤ 1; default 1
    min_p: drop what is below min_p times the most probable (arXiv 2407.01082), 0 ≤ p < 1; default 0
    repetition_penalty: logits of tokens in prompt or output: divided if positive, multiplied if
        negative (CTRL, arXiv 1909.05858), > 0; default 1
    presence_penalty: subtracted from logits of tokens in the output; default 0
    frequency_penalty: subtracted for each time a token is in the output; default 0
    bias_ids: tokens whose logits are changed; NULL: none
    bias_values: what is added to each; -INFINITY forbids a token
    bias_count: entries of bias_ids and bias_values
    stop_ids: tokens that end a sequence, besides the model's end token; NULL: none
    stop_id_count: entries of stop_ids
    stop_strings: texts that end a sequence; need a tokenizer; NULL: none
    stop_string_count: entries of stop_strings
    record_kept: 1: fst_generation.kept tells which ids each token was drawn from; default 0
    reserved: 0
    """
    _init_ = "fst_sampling_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("max_new_tokens", ctypes.c_int64),
        ("seed", ctypes.c_int64),
        ("seeds", ctypes.POINTER(ctypes.c_int64)),
        ("temperature", ctypes.c_double),
        ("top_k", ctypes.c_int32),
        ("ignore_end", ctypes.c_int32),
        ("top_p", ctypes.c_double),
        ("min_p", ctypes.c_double),
        ("repetition_penalty", ctypes.c_double),
        ("presence_penalty", ctypes.c_double),
        ("frequency_penalty", ctypes.c_double),
        ("bias_ids", ctypes.POINTER(ctypes.c_int32)),
        ("bias_values", ctypes.POINTER(ctypes.c_float)),
        ("bias_count", ctypes.c_size_t),
        ("stop_ids", ctypes.POINTER(ctypes.c_int32)),
        ("stop_id_count", ctypes.c_size_t),
        ("stop_strings", ctypes.POINTER(ctypes.c_char_p)),
        ("stop_string_count", ctypes.c_size_t),
        ("record_kept", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]
    _kinds_ = dict(_fields_)


class Token(Struct):
    """A token just drawn, as the callback sees it.
    Since 0.1

    sequence: index of the prompt
    index: 0 for the first token drawn for it
    id: the token
    reserved: 0
    log_probability: natural log, of the distribution it was drawn from
    text: text that became whole with this token: UTF-8 without cut characters; borrowed; NULL
        without a tokenizer
    text_length: bytes of text
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("sequence", ctypes.c_int64),
        ("index", ctypes.c_int64),
        ("id", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("log_probability", ctypes.c_double),
        ("text", ctypes.c_char_p),
        ("text_length", ctypes.c_size_t),
    ]
    _kinds_ = dict(_fields_)


class Generation(Struct):
    """What became of one prompt; filled by fst_policy_get_result.
    Since 0.1

    ids: [count] tokens drawn; borrowed until the next generate
    log_probabilities: [count] likewise
    count: tokens drawn
    text: their text, NUL-terminated, without a character that the last token leaves cut; NULL
        without a tokenizer
    text_length: bytes of text
    finish: FST_FINISH_ value
    reserved: 0
    kept: [count, ⌈vocabulary/8⌉] as fst_batch.kept: the ids that top-k, top-p, min-p and biases of
        −INFINITY left; borrowed likewise; NULL without fst_sampling_options.record_kept.
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("ids", ctypes.POINTER(ctypes.c_int32)),
        ("log_probabilities", ctypes.POINTER(ctypes.c_double)),
        ("count", ctypes.c_int64),
        ("text", ctypes.c_char_p),
        ("text_length", ctypes.c_size_t),
        ("finish", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("kept", ctypes.POINTER(ctypes.c_uint8)),
    ]
    _kinds_ = dict(_fields_)


class RewardBatch(Struct):
    """Answers to prompts, as ids, as texts, or both. Arrays are the caller's, borrowed for the call.
        What a member needs and the batch does not have is made from the other: texts from ids by
        the tokenizer of the batch or of a member, ids from texts by the member's own.
    Since 0.1

    count: answers, ≥ 1
    prompts: [count] ids of each prompt; NULL: texts only
    prompt_lengths: [count] ids of each, ≥ 0
    responses: [count] ids of each answer; NULL: texts only
    response_lengths: [count] ids of each, ≥ 0
    prompt_texts: [count] UTF-8, ending with NUL; NULL: ids only
    response_texts: [count] UTF-8, ending with NUL; NULL: ids only
    finishes: [count] FST_FINISH_ values of policy.h; NULL: not known
    tokenizer: makes texts from ids where they are needed; NULL: a member's
    """
    _init_ = "fst_reward_batch_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("count", ctypes.c_int64),
        ("prompts", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("prompt_lengths", ctypes.POINTER(ctypes.c_int64)),
        ("responses", ctypes.POINTER(ctypes.POINTER(ctypes.c_int32))),
        ("response_lengths", ctypes.POINTER(ctypes.c_int64)),
        ("prompt_texts", ctypes.POINTER(ctypes.c_char_p)),
        ("response_texts", ctypes.POINTER(ctypes.c_char_p)),
        ("finishes", ctypes.POINTER(ctypes.c_int32)),
        ("tokenizer", ctypes.c_void_p),
    ]
    _kinds_ = dict(_fields_)

_fst_reward_callback_options_release = _callback_type(None, (), True, ctypes.c_void_p)

class RewardCallbackOptions(Struct):
    """Options of fst_reward_model_from_callback.
    Since 0.1

    texts: 1 (default): texts are made from ids where a tokenizer is at hand; 0: the callback reads
        none
    reserved: 0
    tokenizer: kept alive; NULL (default): the batch's, or another member's
    release: called once when the handle's last holder is gone; NULL (default): nothing to do
    """
    _init_ = "fst_reward_callback_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("texts", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("tokenizer", ctypes.c_void_p),
        ("release", _fst_reward_callback_options_release),
    ]
    _kinds_ = dict(_fields_)


class RewardRuleOptions(Struct):
    """Options of fst_reward_model_from_rule. Texts are copied.
    Since 0.1

    kind: FST_RULE_ value; default FST_RULE_LENGTH
    unit: length, repetition: FST_UNIT_ value; default FST_UNIT_TOKENS
    least: length: ≥ 0; default 0
    most: length: ≥ least; default 0
    falloff: length: ≥ 0; 0 (default): 0 right outside the range
    n: repetition: 1 … 16; default 2
    pattern: pattern: a PCRE2 expression over UTF-8
    whole: pattern: 1: it must cover the whole text; lexicon: 1: a word does not begin or end inside
        a longer one; default 0
    ignore_case: pattern, lexicon: 1: letters match in either case; default 0
    words: lexicon: [word_count] UTF-8, none empty
    weights: lexicon: [word_count] what each adds
    word_count: lexicon: ≥ 1
    average: lexicon: 1: the mean weight of the words found, 0 for none; 0 (default): the sum
    reserved: 0
    tokenizer: for texts of ids and the end token, kept alive; NULL (default): the batch's, or
        another member's
    """
    _init_ = "fst_reward_rule_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("kind", ctypes.c_int32),
        ("unit", ctypes.c_int32),
        ("least", ctypes.c_int64),
        ("most", ctypes.c_int64),
        ("falloff", ctypes.c_int64),
        ("n", ctypes.c_int64),
        ("pattern", ctypes.c_char_p),
        ("whole", ctypes.c_int32),
        ("ignore_case", ctypes.c_int32),
        ("words", ctypes.POINTER(ctypes.c_char_p)),
        ("weights", ctypes.POINTER(ctypes.c_double)),
        ("word_count", ctypes.c_int64),
        ("average", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("tokenizer", ctypes.c_void_p),
    ]
    _kinds_ = dict(_fields_)


class RewardHeadOptions(Struct):
    """Options of fst_reward_model_from_model. Texts are copied.
    Since 0.1

    head: a sequence head of the model; default "score"
    output: which of the head's outputs; default 0
    shift: score = (output − shift)·scale; default 0
    scale: not 0; default 1
    chat: of batches that have texts only; NULL (default): plain, as for preferences
    max_length: most ids of prompt and answer; 0 (default): the model's context length
    too_long: FST_TOO_LONG_ERROR (default) or FST_TOO_LONG_CUT_START of examples.h
    reserved: 0
    tokens: most ids, with padding, of one forward; one answer may have more; default 4096
    """
    _init_ = "fst_reward_head_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("head", ctypes.c_char_p),
        ("output", ctypes.c_int64),
        ("shift", ctypes.c_double),
        ("scale", ctypes.c_double),
        ("chat", ctypes.POINTER(ChatTemplate)),
        ("max_length", ctypes.c_int64),
        ("too_long", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("tokens", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class RewardCombineOptions(Struct):
    """Options of fst_reward_model_combine. For an answer with member scores s:
    u_i = clip(norm_i(s_i), member_low_i, member_high_i) score = clip(norm(Σ weight_i·u_i),
        clip_low, clip_high)
    norm is (x − mean)/deviation over all scores seen so far, the present batch among them
        (deviation with n; 1 where it is 0), or the identity.
    Since 0.1

    normalise: FST_NORMALISE_ value; default FST_NORMALISE_NONE
    keep_mean: 1: norm divides by the deviation and leaves the mean in; default 0
    clip_low: default −∞
    clip_high: > clip_low; default ∞
    member_low: [count] copied; NULL (default): −∞
    member_high: [count] copied; NULL (default): ∞
    """
    _init_ = "fst_reward_combine_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("normalise", ctypes.c_int32),
        ("keep_mean", ctypes.c_int32),
        ("clip_low", ctypes.c_double),
        ("clip_high", ctypes.c_double),
        ("member_low", ctypes.POINTER(ctypes.c_double)),
        ("member_high", ctypes.POINTER(ctypes.c_double)),
    ]
    _kinds_ = dict(_fields_)


class RewardOptions(Struct):
    """Options of fst_reward_create.
    Since 0.1

    model: trained in place, with sequence heads that pool the last token; kept alive by the run
    optimizer: made for model; NULL (default): one with the defaults
    train: preferences, or labelled texts; not packed; kept alive by the run
    validation: of the same kind; NULL (default): none
    run: read during create; NULL (default): defaults
    objective: FST_REWARD_ value; default FST_REWARD_PAIRWISE
    shuffle: 1 (default): each epoch in an order of its own
    heads: [head_count] names, read during create; NULL (default): "score"
    head_count: 1 head with the outputs of all aspects, or one for each aspect; default 0: 1
    rows: examples of a micro-batch, all answers of each; default 8
    accumulation: micro-batches of a step; default 1
    evaluation_examples: first examples of validation to evaluate on; 0 (default): all
    dropout: 1: dropout as the model has it; 0 (default): none
    shift_to_zero: preferences: 1 (default): the last step of total_steps ends with fst_reward_shift
    scale_to_one: 1: that scales too; default 0
    spike_action: FST_SPIKE_ value; default FST_SPIKE_NONE
    centering: preferences: coefficient of (r₊ + r₋)²; default 0.01
    aspect_losses: labelled: [aspect_count] FST_ASPECT_ values; NULL (default): FST_ASPECT_MSE
    aspect_weights: labelled: [aspect_count] of each aspect's mean loss, ≥ 0; NULL (default): 1
    aspect_levels: labelled: [aspect_count] read where the loss is FST_ASPECT_ORDINAL, 2 … 64; NULL
        (default): none is
    aspect_count: labelled: labels of an example, 1 … 8; 0 (default): as the data has
    spike_loss_z: as in fst_pretrain_options, as all that follow
    spike_gradient_z: default 0
    spike_warmup: default 100
    spike_patience: default 10
    spike_rollbacks: default 3
    """
    _init_ = "fst_reward_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("model", ctypes.c_void_p),
        ("optimizer", ctypes.c_void_p),
        ("train", ctypes.c_void_p),
        ("validation", ctypes.c_void_p),
        ("run", ctypes.POINTER(RunOptions)),
        ("objective", ctypes.c_int32),
        ("shuffle", ctypes.c_int32),
        ("heads", ctypes.POINTER(ctypes.c_char_p)),
        ("head_count", ctypes.c_int64),
        ("rows", ctypes.c_int64),
        ("accumulation", ctypes.c_int64),
        ("evaluation_examples", ctypes.c_int64),
        ("dropout", ctypes.c_int32),
        ("shift_to_zero", ctypes.c_int32),
        ("scale_to_one", ctypes.c_int32),
        ("spike_action", ctypes.c_int32),
        ("centering", ctypes.c_double),
        ("aspect_losses", ctypes.POINTER(ctypes.c_int32)),
        ("aspect_weights", ctypes.POINTER(ctypes.c_double)),
        ("aspect_levels", ctypes.POINTER(ctypes.c_int32)),
        ("aspect_count", ctypes.c_int64),
        ("spike_loss_z", ctypes.c_double),
        ("spike_gradient_z", ctypes.c_double),
        ("spike_warmup", ctypes.c_int64),
        ("spike_patience", ctypes.c_int64),
        ("spike_rollbacks", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class RlOptions(Struct):
    """Options of fst_rl_create.
    Since 0.1

    model: the policy; PPO needs a token head of one output for the values. Kept alive
    tokenizer: for reward models that read text, and stop strings; NULL (default): ids only. Kept
        alive
    optimizer: made for this model; NULL (default): AdamW with its defaults. Kept alive
    reward_model: scores whole answers; kept alive
    prompts: of kind FST_EXAMPLES_PROMPTS; kept alive
    validation: prompts to evaluate on; NULL (default): none. Kept alive
    reference: What the policy is held to; only read, kept alive. NULL (default): where the model
        has an adapter, the same model with its adapter off; else a frozen copy of the model made
        now, where the KL is used at all.
    supervised: packed rows mixed into each update (InstructGPT's ptx); NULL (default): none. Kept
        alive
    sampling: copied; NULL (default): defaults. temperature > 0; penalties and finite biases are
        refused, see fst_rl_create
    run: read during create; NULL (default): defaults
    value_head: PPO: its name; default "value". Read during create
    algorithm: FST_RL_ value, not FST_RL_A2C; default FST_RL_PPO. Use fst_rl_options_set_algorithm,
        which sets what goes with it
    shuffle: 1 (default): each epoch over the prompts in an order of its own
    prompts_per_step: prompts of an iteration; default 16
    samples_per_prompt: answers to each; default 1, RLOO 2, GRPO 8
    rows: answers of one forward and backward; 0 (default): minibatch
    minibatch: answers of one update, a multiple of rows that divides all answers; 0 (default): all
        answers
    epochs: times that the answers are gone through; default 4, REINFORCE, RLOO and GRPO 1
    supervised_rows: rows of `supervised` in each update; default 4
    supervised_coefficient: weight of their mean cross entropy; default 1
    clip: ratios below 1 − clip and above 1 + clip_high have no gradient; default 0.2
    clip_high: 0 (default): as clip
    dual_clip: see fst_policy_loss_options; 0 (default): none
    value_clip: values move no further than this from the old ones; 0: no clip; default 0.2
    value_coefficient: weight of the value loss; default 0.1
    entropy_coefficient: weight of the entropy, which is wanted large; default 0
    gamma: PPO: discount of a token; default 1
    lambda_: PPO: of generalized advantage estimation; default 0.95
    kl_coefficient: β, weight of the KL to the reference for each token; default 0.05, GRPO 0
    kl_estimator: FST_KL_ value; default FST_KL_K1, GRPO FST_KL_K3
    kl_in_loss: 1: a term of the loss; 0: part of each token's reward; default 0, GRPO 1
    kl_target: > 0: β is adapted towards this KL of an answer, in nats, which needs kl_coefficient >
        0; 0 (default): β is fixed
    kl_horizon: answers over which β is adapted; default 10000
    kl_ceiling: Mean KL of an answer to the reference, in nats, beyond which the run ends with the
        weights of the last iteration that was below; 0 (default): no ceiling. A copy of the trained
        weights is kept for it.
    stop_kl: approximate KL to the policy that answered, per token, beyond which an iteration makes
        no further updates; 0 (default): none
    reward_clip: scores are clipped to ±this; 0 (default): not clipped
    missing_end_penalty: taken off the score of an answer that was cut by max_new_tokens; default 0
    whiten_advantages: 1: mean 0 and deviation 1 over the iteration's tokens; default 1, RLOO and
        GRPO 0
    scale_advantages: GRPO: 1 (default): divided by the group's deviation; 0: Dr. GRPO
    aggregation: FST_AGGREGATE_ value: the mean that the loss is; default FST_AGGREGATE_TOKENS, GRPO
        FST_AGGREGATE_SEQUENCES
    reserved: 0
    evaluation_prompts: first prompts of validation to evaluate on; 0 (default): all
    """
    _init_ = "fst_rl_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("model", ctypes.c_void_p),
        ("tokenizer", ctypes.c_void_p),
        ("optimizer", ctypes.c_void_p),
        ("reward_model", ctypes.c_void_p),
        ("prompts", ctypes.c_void_p),
        ("validation", ctypes.c_void_p),
        ("reference", ctypes.c_void_p),
        ("supervised", ctypes.c_void_p),
        ("sampling", ctypes.POINTER(SamplingOptions)),
        ("run", ctypes.POINTER(RunOptions)),
        ("value_head", ctypes.c_char_p),
        ("algorithm", ctypes.c_int32),
        ("shuffle", ctypes.c_int32),
        ("prompts_per_step", ctypes.c_int64),
        ("samples_per_prompt", ctypes.c_int64),
        ("rows", ctypes.c_int64),
        ("minibatch", ctypes.c_int64),
        ("epochs", ctypes.c_int64),
        ("supervised_rows", ctypes.c_int64),
        ("supervised_coefficient", ctypes.c_double),
        ("clip", ctypes.c_double),
        ("clip_high", ctypes.c_double),
        ("dual_clip", ctypes.c_double),
        ("value_clip", ctypes.c_double),
        ("value_coefficient", ctypes.c_double),
        ("entropy_coefficient", ctypes.c_double),
        ("gamma", ctypes.c_double),
        ("lambda", ctypes.c_double),
        ("kl_coefficient", ctypes.c_double),
        ("kl_estimator", ctypes.c_int32),
        ("kl_in_loss", ctypes.c_int32),
        ("kl_target", ctypes.c_double),
        ("kl_horizon", ctypes.c_double),
        ("kl_ceiling", ctypes.c_double),
        ("stop_kl", ctypes.c_double),
        ("reward_clip", ctypes.c_double),
        ("missing_end_penalty", ctypes.c_double),
        ("whiten_advantages", ctypes.c_int32),
        ("scale_advantages", ctypes.c_int32),
        ("aggregation", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("evaluation_prompts", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class ControlOptions(Struct):
    """Options of fst_control_create. In brackets the names of Stable-Baselines3 and CleanRL where they
        differ.
    Since 0.1

    policy: of fst_policy_create_control. Kept alive
    optimizer: Made for the policy's model; NULL (default): AdamW with learning_rate, β .9 and .999,
        ε 1e-5, no weight decay, norm of the gradients at most 0.5. Kept alive.
    env: acts in it, with its spaces those of the policy; NULL: the host acts, see fst_control_act.
        Kept alive; stepped by the run alone
    validation: evaluations are in it; another one than env; NULL (default): none. Kept alive
    run: read during create; NULL (default): defaults
    algorithm: FST_RL_PPO (default), FST_RL_A2C or FST_RL_REINFORCE; use
        fst_control_options_set_algorithm, which sets what goes with it
    anneal_clip: 1: clip falls linearly to 0 over run's total_steps; default 0
    environments: without env: N; default 1. With one: not read
    steps: of each environment in an iteration [n_steps, num_steps]; default 2048, A2C 5
    minibatch: steps of one update [batch_size]; an epoch's last one may be smaller; 0: all; default
        64, A2C and REINFORCE 0
    epochs: times that the steps are gone through [n_epochs, update_epochs]; default 10, A2C and
        REINFORCE 1
    seed_env: seed of the environments, 0 ≤ seed_env < 2^53; default 0
    gamma: discount of a step; default 0.99
    lambda_: of generalized advantage estimation [gae_lambda]; default 0.95, A2C and REINFORCE 1
    clip: ratios further than this from 1 have no gradient [clip_range, clip_coef]; default 0.2
    value_clip: values move no further than this from the old ones [clip_range_vf, clip_vloss]; 0
        (default): no clip
    value_coefficient: Weight of the mean of ½(V − R)². CleanRL's vf_coef is this; SB3 has no ½ in
        its loss, so its vf_coef is half of this. Default 0.5, REINFORCE 0: no value is learned nor
        used.
    entropy_coefficient: weight of the mean entropy, which is wanted large [ent_coef]; default 0
    stop_kl: approximate KL of a minibatch beyond which an iteration makes no further updates; 0
        (default): none. SB3's target_kl is this over 1.5
    normalize_advantages: 1: each minibatch's to mean 0 and deviation 1, where it has more than one
        step; default 1, A2C 0
    normalize_rewards: 1: rewards are divided by the deviation of the discounted return so far, as
        SB3's VecNormalize; default 0
    reward_clip: with normalize_rewards: to ±this; default 10
    evaluation_episodes: of an evaluation; default 10
    evaluation_deterministic: 1 (default): the most probable actions; 0: drawn ones
    learn_in_pieces: without env: 1: fst_control_act never learns, the host calls fst_run_advance;
        default 0
    opponents: two players: past selves that are kept; default 8
    opponent_every: iterations between two of them; default 10
    opponent_latest: share of games against the present self; default 0.5
    learning_rate: of the optimizer made for NULL; default 3e-4, A2C 7e-4
    anneal_learning_rate: with optimizer NULL, 1: falls linearly to 0 over the updates of run's
        total_steps [anneal_lr]; default 0
    reserved: 0
    """
    _init_ = "fst_control_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("policy", ctypes.c_void_p),
        ("optimizer", ctypes.c_void_p),
        ("env", ctypes.c_void_p),
        ("validation", ctypes.c_void_p),
        ("run", ctypes.POINTER(RunOptions)),
        ("algorithm", ctypes.c_int32),
        ("anneal_clip", ctypes.c_int32),
        ("environments", ctypes.c_int64),
        ("steps", ctypes.c_int64),
        ("minibatch", ctypes.c_int64),
        ("epochs", ctypes.c_int64),
        ("seed_env", ctypes.c_int64),
        ("gamma", ctypes.c_double),
        ("lambda", ctypes.c_double),
        ("clip", ctypes.c_double),
        ("value_clip", ctypes.c_double),
        ("value_coefficient", ctypes.c_double),
        ("entropy_coefficient", ctypes.c_double),
        ("stop_kl", ctypes.c_double),
        ("normalize_advantages", ctypes.c_int32),
        ("normalize_rewards", ctypes.c_int32),
        ("reward_clip", ctypes.c_double),
        ("evaluation_episodes", ctypes.c_int64),
        ("evaluation_deterministic", ctypes.c_int32),
        ("learn_in_pieces", ctypes.c_int32),
        ("opponents", ctypes.c_int64),
        ("opponent_every", ctypes.c_int64),
        ("opponent_latest", ctypes.c_double),
        ("learning_rate", ctypes.c_double),
        ("anneal_learning_rate", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]
    _kinds_ = dict(_fields_)


class DpoOptions(Struct):
    """Options of fst_dpo_create.
    Since 0.1

    model: the policy that is trained; kept alive by the run
    optimizer: Made for this model; kept alive by the run. NULL (default): AdamW with the defaults
        of fst_optimizer_options, whose learning rate is far too high for a large model.
    reference_model: kept alive by the run and not to be changed while it lives; NULL (default):
        none
    train: FST_EXAMPLES_PREFERENCES, not packed; kept alive by the run
    validation: the same; NULL (default): none
    run: read during create; NULL (default): defaults
    kind: FST_DPO_ value; default FST_DPO_SIGMOID
    reference: FST_REFERENCE_ value; default FST_REFERENCE_AUTO
    rows: pairs of a micro-batch; default 4
    accumulation: micro-batches of a step; default 1. The gradient is that of one batch of
        rows·accumulation pairs, but for KTO's reference point, which is a micro-batch's own
    evaluation_pairs: first pairs of validation to evaluate on; 0 (default): all
    shuffle: 1 (default): each epoch in an order of its own
    dropout: 1: the policy's forward has the model's dropout; 0 (default): none, as TRL
    beta: β > 0; default 0.1
    label_smoothing: FST_DPO_SIGMOID: 0 ≤ ε < 0.5; default 0
    desirable_weight: KTO's λ_D; default 1
    undesirable_weight: KTO's λ_U; default 1
    sft: α ≥ 0: adds α·(−log π(chosen)/tokens of the chosen answer) (Pang et al., arXiv 2404.19733,
        equation 2); default 0
    """
    _init_ = "fst_dpo_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("model", ctypes.c_void_p),
        ("optimizer", ctypes.c_void_p),
        ("reference_model", ctypes.c_void_p),
        ("train", ctypes.c_void_p),
        ("validation", ctypes.c_void_p),
        ("run", ctypes.POINTER(RunOptions)),
        ("kind", ctypes.c_int32),
        ("reference", ctypes.c_int32),
        ("rows", ctypes.c_int64),
        ("accumulation", ctypes.c_int64),
        ("evaluation_pairs", ctypes.c_int64),
        ("shuffle", ctypes.c_int32),
        ("dropout", ctypes.c_int32),
        ("beta", ctypes.c_double),
        ("label_smoothing", ctypes.c_double),
        ("desirable_weight", ctypes.c_double),
        ("undesirable_weight", ctypes.c_double),
        ("sft", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class EntityMetrics(Struct):
    """What was counted so far. A ratio whose denominator is 0 is 0. Macro and weighted means are over
        the types that occur among true or predicted entities; weights are the true entities.
    Since 0.1

    sequences: sequences added
    tokens: tokens of these that were not left out
    right_tokens: of which the class was told
    labelled: true entities
    predicted: predicted entities
    right: predicted entities that are true ones
    precision: right / predicted
    recall: right / labelled
    f1: 2·precision·recall / (precision + recall)
    precision_macro: mean over types
    recall_macro: mean over types
    f1_macro: mean over types
    precision_weighted: weighted mean over types
    recall_weighted: weighted mean over types
    f1_weighted: weighted mean over types
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("sequences", ctypes.c_int64),
        ("tokens", ctypes.c_int64),
        ("right_tokens", ctypes.c_int64),
        ("labelled", ctypes.c_int64),
        ("predicted", ctypes.c_int64),
        ("right", ctypes.c_int64),
        ("precision", ctypes.c_double),
        ("recall", ctypes.c_double),
        ("f1", ctypes.c_double),
        ("precision_macro", ctypes.c_double),
        ("recall_macro", ctypes.c_double),
        ("f1_macro", ctypes.c_double),
        ("precision_weighted", ctypes.c_double),
        ("recall_weighted", ctypes.c_double),
        ("f1_weighted", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class EntityType(Struct):
    """The entities of one type.
    Since 0.1

    name: borrowed while the counter lives; "_" where a tag has no type
    labelled: true entities: the support
    predicted: predicted entities
    right: predicted entities that are true ones
    precision: right / predicted; 0 without any, as the next two
    recall: right / labelled
    f1: 2·precision·recall / (precision + recall)
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("name", ctypes.c_char_p),
        ("labelled", ctypes.c_int64),
        ("predicted", ctypes.c_int64),
        ("right", ctypes.c_int64),
        ("precision", ctypes.c_double),
        ("recall", ctypes.c_double),
        ("f1", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class MaskOptions(Struct):
    """Options of fst_mask_tokens.
    Since 0.1

    mask_probability: of an id, or of a word, to be chosen, 0 … 1; default 0.15
    mask_token_share: part of the chosen ids that become mask_id; default 0.8
    random_token_share: part of them that become a random id; default 0.1; the rest stays as it is
        and is guessed too
    mask_id: what stands for a masked id, itself never chosen; default -1: it must be given
    vocabulary_size: random ids are below it, as all ids must be; default 0: it must be given
    whole_words: 1: words are chosen, each with all its ids; needs words or flags; default 0
    reserved: 0
    flags: [vocabulary_size] FST_TOKEN_ bits, see fst_tokenizer_token_flags; NULL (default): no id
        is special
    words: [rows, length] number of each id's word, equal neighbours being one word; negative: never
        masked; NULL (default): the flags say where words begin
    documents: [rows, length] as fst_batch.documents: a document begins a word; NULL (default): one
        document a row
    lengths: [rows] ids that count in each row, the rest is never masked; NULL (default): all
    """
    _init_ = "fst_mask_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("mask_probability", ctypes.c_double),
        ("mask_token_share", ctypes.c_double),
        ("random_token_share", ctypes.c_double),
        ("mask_id", ctypes.c_int32),
        ("vocabulary_size", ctypes.c_int32),
        ("whole_words", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("flags", ctypes.POINTER(ctypes.c_uint8)),
        ("words", ctypes.POINTER(ctypes.c_int32)),
        ("documents", ctypes.POINTER(ctypes.c_int32)),
        ("lengths", ctypes.POINTER(ctypes.c_int32)),
    ]
    _kinds_ = dict(_fields_)


class ClassMetrics(Struct):
    """How well one class of several was told; macro means are over the classes that occur among labels
        or predictions, without weights. NaN where nothing was counted.
    Since 0.1

    count: predictions
    accuracy: share that is right
    precision_macro: mean of right / predicted
    recall_macro: mean of right / labelled
    f1_macro: mean of 2·right / (predicted + labelled)
    f1_micro: of all classes together, which is the accuracy
    f1_weighted: mean weighted by the labels of each class
    mcc: Matthews' correlation coefficient for K classes, R_K (Gorodkin, "Comparing two K-category
        assignments by a K-category correlation coefficient", 2004); 0 where one side is constant.
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("count", ctypes.c_int64),
        ("accuracy", ctypes.c_double),
        ("precision_macro", ctypes.c_double),
        ("recall_macro", ctypes.c_double),
        ("f1_macro", ctypes.c_double),
        ("f1_micro", ctypes.c_double),
        ("f1_weighted", ctypes.c_double),
        ("mcc", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class LabelMetrics(Struct):
    """How well several labels of yes and no were told; macro means are over all labels. NaN where
        nothing was counted.
    Since 0.1

    count: labels that are there
    examples: examples with one or more of them
    accuracy: share of labels that is right
    subset_accuracy: share of examples all of whose labels are right
    precision_micro: over all labels together
    recall_micro: over all labels together
    f1_micro: over all labels together
    precision_macro: mean over labels
    recall_macro: mean over labels
    f1_macro: mean over labels
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("count", ctypes.c_int64),
        ("examples", ctypes.c_int64),
        ("accuracy", ctypes.c_double),
        ("subset_accuracy", ctypes.c_double),
        ("precision_micro", ctypes.c_double),
        ("recall_micro", ctypes.c_double),
        ("f1_micro", ctypes.c_double),
        ("precision_macro", ctypes.c_double),
        ("recall_macro", ctypes.c_double),
        ("f1_macro", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class RegressionMetrics(Struct):
    """How close predicted numbers came. NaN where nothing was counted.
    Since 0.1

    count: labels that are there
    rmse: √ of the mean squared error
    mae: mean of |prediction − label|
    pearson: see fst_metrics_correlation
    spearman: see fst_metrics_correlation
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("count", ctypes.c_int64),
        ("rmse", ctypes.c_double),
        ("mae", ctypes.c_double),
        ("pearson", ctypes.c_double),
        ("spearman", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class ScheduleOptions(Struct):
    """A learning rate as a function of the step.
    Since 0.1

    kind: FST_SCHEDULE_ value; default FST_SCHEDULE_CONSTANT
    warmup: FST_WARMUP_ value; default FST_WARMUP_ABOVE_ZERO
    learning_rate: the peak, ≥ 0; default 1e-3
    minimum_ratio: minimum as a part of the peak, 0 … 1; default 0
    warmup_steps: ≥ 0; default 0
    total_steps: where the decay ends, > warmup_steps; needed by linear, cosine and WSD; default 0
    decay_steps: WSD: steps of the decay, at most total_steps − warmup_steps; 0 (default): a fifth
        of total_steps, or less where the warm-up leaves less
    """
    _init_ = "fst_schedule_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("kind", ctypes.c_int32),
        ("warmup", ctypes.c_int32),
        ("learning_rate", ctypes.c_double),
        ("minimum_ratio", ctypes.c_double),
        ("warmup_steps", ctypes.c_int64),
        ("total_steps", ctypes.c_int64),
        ("decay_steps", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class OptimizerOptions(Struct):
    """Options of fst_optimizer_create.
    Since 0.1

    kind: FST_OPTIMIZER_ value; default FST_OPTIMIZER_ADAMW
    schedule: FST_SCHEDULE_ value; default FST_SCHEDULE_CONSTANT
    learning_rate: the schedule's peak, ≥ 0; default 1e-3
    beta1: AdamW, 0 ≤ β₁ < 1; default 0.9
    beta2: AdamW, 0 ≤ β₂ < 1; default 0.999
    epsilon: AdamW, added to √v̂; LARS, to the norms; ≥ 0; default 1e-8
    weight_decay: for matrices and embeddings; norms and biases have none; ≥ 0; default 0.01, as
        torch.optim.AdamW; AdamW, SGD and LARS, for which SimCLR has 1e-6 to 1e-4
    clip_norm: largest norm of all gradients together; 0: no clipping; default 1
    momentum: SGD, 0 ≤ μ < 1; default 0
    dampening: SGD, of the gradient's part in the momentum; default 0
    nesterov: SGD, LARS, 1: Nesterov's momentum, which needs momentum > 0 (of SGD, with dampening 0;
        LARS: lars_momentum); default 0
    keep_gradients: 1: fst_optimizer_step leaves the gradients as they were; default 0: it zeroes
        them
    warmup: FST_WARMUP_ value; default FST_WARMUP_ABOVE_ZERO
    muon_scale: FST_MUON_SCALE_ value; default FST_MUON_SCALE_ORIGINAL
    warmup_steps: see fst_schedule_options; default 0
    total_steps: see fst_schedule_options; default 0
    decay_steps: see fst_schedule_options; default 0
    minimum_ratio: see fst_schedule_options; default 0
    muon_learning_rate: peak for Muon's matrices; the same schedule's shape applies; default 0.02
    muon_momentum: 0 ≤ μ < 1; default 0.95
    muon_weight_decay: decoupled, ≥ 0; default 0
    muon_nesterov: default 1
    muon_iterations: Newton–Schulz steps, 1 … 100; default 5
    group_patterns: Groups of parameters by name; the first pattern that matches a parameter
        decides, one that none matches keeps factor 1. In a pattern, * stands for any text and ? for
        one character. All arrays have group_count entries and are read during create only.
    group_learning_rates: factor of the learning rate, ≥ 0; NULL: 1. 0 leaves the weights as they
        are
    group_weight_decays: factor of the weight decay, ≥ 0; NULL: 1
    group_count: default 0
    layer_decay: factor of the learning rate for each layer downward, as ELECTRA and BEiT finetune:
        heads and the last norm 1, the top one of L layers d, the lowest d^L, embeddings d^(L+1); on
        top of the group's factor; ≥ 0, default 1
    lars_trust: LARS, η > 0; default 0.001
    lars_momentum: LARS, 0 ≤ μ < 1; default 0.9
    """
    _init_ = "fst_optimizer_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("kind", ctypes.c_int32),
        ("schedule", ctypes.c_int32),
        ("learning_rate", ctypes.c_double),
        ("beta1", ctypes.c_double),
        ("beta2", ctypes.c_double),
        ("epsilon", ctypes.c_double),
        ("weight_decay", ctypes.c_double),
        ("clip_norm", ctypes.c_double),
        ("momentum", ctypes.c_double),
        ("dampening", ctypes.c_double),
        ("nesterov", ctypes.c_int32),
        ("keep_gradients", ctypes.c_int32),
        ("warmup", ctypes.c_int32),
        ("muon_scale", ctypes.c_int32),
        ("warmup_steps", ctypes.c_int64),
        ("total_steps", ctypes.c_int64),
        ("decay_steps", ctypes.c_int64),
        ("minimum_ratio", ctypes.c_double),
        ("muon_learning_rate", ctypes.c_double),
        ("muon_momentum", ctypes.c_double),
        ("muon_weight_decay", ctypes.c_double),
        ("muon_nesterov", ctypes.c_int32),
        ("muon_iterations", ctypes.c_int32),
        ("group_patterns", ctypes.POINTER(ctypes.c_char_p)),
        ("group_learning_rates", ctypes.POINTER(ctypes.c_double)),
        ("group_weight_decays", ctypes.POINTER(ctypes.c_double)),
        ("group_count", ctypes.c_int64),
        ("layer_decay", ctypes.c_double),
        ("lars_trust", ctypes.c_double),
        ("lars_momentum", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class OptimizerReport(Struct):
    """What a step did; filled by fst_optimizer_step.
    Since 0.1

    step: updates done, this one included
    learning_rate: the one used
    muon_learning_rate: the one used for Muon's matrices; 0 without Muon
    gradient_norm: 2-norm of all gradients together, before clipping
    clip_factor: what the gradients were multiplied with, ≤ 1
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("step", ctypes.c_int64),
        ("learning_rate", ctypes.c_double),
        ("muon_learning_rate", ctypes.c_double),
        ("gradient_norm", ctypes.c_double),
        ("clip_factor", ctypes.c_double),
    ]
    _kinds_ = dict(_fields_)


class PretrainOptions(Struct):
    """Options of fst_pretrain_create.
    Since 0.1

    model: what is trained; kept alive by the run
    optimizer: Made for this model; kept alive by the run. NULL (default): AdamW with the defaults
        of fst_optimizer_options.
    train: packed; kept alive by the run
    validation: packed; NULL (default): none
    run: read during create; NULL (default): defaults
    rows: rows of a micro-batch; default 8
    accumulation: micro-batches of a step; default 1. The gradient is that of one batch of
        rows·accumulation rows, normalised by all its targets
    evaluation_rows: first rows of validation to evaluate on; 0 (default): all
    shuffle: 1 (default): each epoch in an order of its own
    spike_action: FST_SPIKE_ value; default FST_SPIKE_NONE
    label_smoothing: 0 ≤ ε < 1; default 0; not in evaluations
    z_loss: coefficient of logsumexp² (PaLM, arXiv 2204.02311); default 0; not in evaluations
    spike_loss_z: deviations above the running mean at which a loss is a spike; 0 (default): not
        watched
    spike_gradient_z: the same for the gradient's norm; 0 (default): not watched
    spike_warmup: steps that only fill the running statistics; default 100
    spike_patience: spikes in a row before a roll back; default 10
    spike_rollbacks: roll backs before the run gives up with FST_ERR_NUMERIC; default 3
    objective: FST_PRETRAIN_ value; default FST_PRETRAIN_CAUSAL. What follows is read with
        FST_PRETRAIN_MASKED only
    whole_words: 1: words are masked whole; where they begin say the datasets' word_continues, or
        else mask_flags or the tokenizer; default 0
    mask_probability: of an id, or of a word, to be chosen; default 0.15
    mask_token_share: part of the chosen ids that become mask_id; default 0.8
    random_token_share: part of them that become a random id; default 0.1
    mask_id: -1 (default): the tokenizer's FST_TOKEN_MASK
    mask_reserved: 0
    tokenizer: says which ids are special and where words begin; read during create; NULL (default):
        only mask_id and padding are never masked
    mask_flags: [the model's vocabulary_size] FST_TOKEN_ bits in place of the tokenizer's; copied;
        NULL (default): the tokenizer's
    """
    _init_ = "fst_pretrain_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("model", ctypes.c_void_p),
        ("optimizer", ctypes.c_void_p),
        ("train", ctypes.c_void_p),
        ("validation", ctypes.c_void_p),
        ("run", ctypes.POINTER(RunOptions)),
        ("rows", ctypes.c_int64),
        ("accumulation", ctypes.c_int64),
        ("evaluation_rows", ctypes.c_int64),
        ("shuffle", ctypes.c_int32),
        ("spike_action", ctypes.c_int32),
        ("label_smoothing", ctypes.c_double),
        ("z_loss", ctypes.c_double),
        ("spike_loss_z", ctypes.c_double),
        ("spike_gradient_z", ctypes.c_double),
        ("spike_warmup", ctypes.c_int64),
        ("spike_patience", ctypes.c_int64),
        ("spike_rollbacks", ctypes.c_int64),
        ("objective", ctypes.c_int32),
        ("whole_words", ctypes.c_int32),
        ("mask_probability", ctypes.c_double),
        ("mask_token_share", ctypes.c_double),
        ("random_token_share", ctypes.c_double),
        ("mask_id", ctypes.c_int32),
        ("mask_reserved", ctypes.c_int32),
        ("tokenizer", ctypes.c_void_p),
        ("mask_flags", ctypes.POINTER(ctypes.c_uint8)),
    ]
    _kinds_ = dict(_fields_)


class SftOptions(Struct):
    """Options of fst_sft_create.
    Since 0.1

    model: what is trained; kept alive by the run
    optimizer: Made for this model; kept alive by the run. NULL (default): AdamW with the defaults
        of fst_optimizer_options.
    train: packed conversations, labelled, or words with tags; kept alive by the run
    validation: of the same kind; NULL (default): none
    run: read during create; NULL (default): defaults
    head: labelled: name of a sequence head of the model; words with tags: of a token head; else
        NULL (default)
    rows: rows or examples of a micro-batch; default 8
    accumulation: micro-batches of a step; default 1. The gradient is that of one batch of
        rows·accumulation, normalised by all its targets or labels
    evaluation_rows: first rows or examples of validation to evaluate on; 0 (default): all
    length: labelled: longest sequence that memory is planned for; 0 (default): the longest of train
        and validation
    objective: FST_SFT_ value; default FST_SFT_AUTO
    shuffle: 1 (default): each epoch in an order of its own
    label_smoothing: 0 ≤ ε < 1; default 0; not in evaluations; not with FST_SFT_MSE
    z_loss: conversations: coefficient of logsumexp² (PaLM, arXiv 2204.02311); default 0; not in
        evaluations
    class_weights: [class_weight_count] factors of each class's loss, or of each label's where it is
        1; copied; NULL (default): 1; not in evaluations
    class_weight_count: 0 (default), or the head's outputs
    threshold: FST_SFT_BINARY: a label is told yes from this probability on, in evaluations; default
        0.5
    spike_action: FST_SPIKE_ value; default FST_SPIKE_NONE
    reserved: 0
    spike_loss_z: deviations above the running mean at which a loss is a spike; 0 (default): not
        watched
    spike_gradient_z: the same for the gradient's norm; 0 (default): not watched
    spike_warmup: steps that only fill the running statistics; default 100
    spike_patience: spikes in a row before a roll back; default 10
    spike_rollbacks: roll backs before the run gives up with FST_ERR_NUMERIC; default 3
    language_modelling: Labelled: weight λ of the mean cross entropy of the texts' own tokens beside
        the objective, so that the trunk goes on modelling language and overfits less (Radford et
        al., "Improving language understanding by generative pre-training", 2018, section 3.2, which
        uses 0.5); default 0. Not in evaluations.
    tag_scheme: words with tags: FST_TAGS_ value (entities.h) that the strict figures go by; default
        FST_TAGS_AUTO
    reserved2: 0
    augment: Images: done to them in training only; its mean and std, or the training data's, in
        evaluations too. Read during create. NULL (default): nothing but the data's mean and std.
    """
    _init_ = "fst_sft_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("model", ctypes.c_void_p),
        ("optimizer", ctypes.c_void_p),
        ("train", ctypes.c_void_p),
        ("validation", ctypes.c_void_p),
        ("run", ctypes.POINTER(RunOptions)),
        ("head", ctypes.c_char_p),
        ("rows", ctypes.c_int64),
        ("accumulation", ctypes.c_int64),
        ("evaluation_rows", ctypes.c_int64),
        ("length", ctypes.c_int64),
        ("objective", ctypes.c_int32),
        ("shuffle", ctypes.c_int32),
        ("label_smoothing", ctypes.c_double),
        ("z_loss", ctypes.c_double),
        ("class_weights", ctypes.POINTER(ctypes.c_double)),
        ("class_weight_count", ctypes.c_int64),
        ("threshold", ctypes.c_double),
        ("spike_action", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
        ("spike_loss_z", ctypes.c_double),
        ("spike_gradient_z", ctypes.c_double),
        ("spike_warmup", ctypes.c_int64),
        ("spike_patience", ctypes.c_int64),
        ("spike_rollbacks", ctypes.c_int64),
        ("language_modelling", ctypes.c_double),
        ("tag_scheme", ctypes.c_int32),
        ("reserved2", ctypes.c_int32),
        ("augment", ctypes.POINTER(AugmentOptions)),
    ]
    _kinds_ = dict(_fields_)


class WordOptions(Struct):
    """How words become ids, and what columns a file has. Texts are borrowed during the call that takes
        the options.
    Since 0.1

    tags: [tag_count] names of the classes, in their order; a tag that is not among them is refused.
        NULL (default): those of tags_of; without it, those that occur, "O" first, then sorted by
        bytes.
    tag_count: default 0
    tags_of: whose tags are taken, as the training data's for validation; NULL (default)
    max_length: most ids of an example; 0 (default): no limit
    too_long: FST_TOO_LONG_ERROR (default), _DROP, _CUT_END (behind the last word that fits) or
        _WINDOWS
    all_pieces: 1: every id of a word carries its tag; 0 (default): the first, the others FST_IGNORE
    overlap: windows: at most so many ids of the words before a window stand in front, without tags;
        default 0
    add_bos: 1: a sequence begins with the tokenizer's begin token, [CLS]; default 0
    add_eos: 1: it ends with the tokenizer's end token, [SEP]; default 0
    special_tokens: 1: special tokens are recognised in words; default 0
    drop_useless: 1: sentences of which no word has an id are left out and counted; 0 (default):
        refused
    maximum_sentences: stop after so many; 0 (default): all
    columns: files: FST_COLUMNS_ value; default FST_COLUMNS_AUTO
    word_column: files: from 0; negative: from the end, −1 the last; default 0
    tag_column: files: likewise; default −1
    no_tags: files: 1: words without tags, tag_column is not read; default 0
    id_column: files: of CoNLL-U's ids, of which "1-2" and "1.1" are passed over; −1 (default): none
    comments: files: 1: lines that begin with "#" are passed over; default 0
    latin1: files: 1: bytes are ISO 8859-1; 0 (default): UTF-8
    reserved: 0
    """
    _init_ = "fst_word_options_init"
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("tags", ctypes.POINTER(ctypes.c_char_p)),
        ("tag_count", ctypes.c_int64),
        ("tags_of", ctypes.c_void_p),
        ("max_length", ctypes.c_int64),
        ("too_long", ctypes.c_int32),
        ("all_pieces", ctypes.c_int32),
        ("overlap", ctypes.c_int64),
        ("add_bos", ctypes.c_int32),
        ("add_eos", ctypes.c_int32),
        ("special_tokens", ctypes.c_int32),
        ("drop_useless", ctypes.c_int32),
        ("maximum_sentences", ctypes.c_int64),
        ("columns", ctypes.c_int32),
        ("word_column", ctypes.c_int32),
        ("tag_column", ctypes.c_int32),
        ("no_tags", ctypes.c_int32),
        ("id_column", ctypes.c_int32),
        ("comments", ctypes.c_int32),
        ("latin1", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]
    _kinds_ = dict(_fields_)


class WordsInfo(Struct):
    """What tagged sentences hold; filled by fst_dataset_get_words_info.
    Since 0.1

    tags: classes; 0: no word has a tag and none were given
    words: words read by the call that made it, those left out too; they keep their numbers in
        splits
    sentences: sentences read by that call, those left out too
    examples: of this dataset; a sentence in windows has several
    labelled: ids of this dataset that carry a class
    without_ids: words of this dataset of which the tokenizer leaves nothing
    cut: words of this dataset cut away, because their sentence was too long
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("tags", ctypes.c_int64),
        ("words", ctypes.c_int64),
        ("sentences", ctypes.c_int64),
        ("examples", ctypes.c_int64),
        ("labelled", ctypes.c_int64),
        ("without_ids", ctypes.c_int64),
        ("cut", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)


class Word(Struct):
    """A word.
    Since 0.1

    text: as it was given; borrowed while the dataset or one split from it lives
    sentence: its number among those read
    tag: its class, or FST_IGNORE
    reserved: 0
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("text", ctypes.c_char_p),
        ("sentence", ctypes.c_int64),
        ("tag", ctypes.c_int32),
        ("reserved", ctypes.c_int32),
    ]
    _kinds_ = dict(_fields_)


class WordExample(Struct):
    """The words behind an example's ids, borrowed while the dataset lives.
    Since 0.1

    ids: [length]
    classes: [length] the class that the id carries, or FST_IGNORE
    words: [length] the word that the id is of; −1: a begin or end token
    length: ids
    first_word: the example is of words first_word … end_word − 1; a window's overlap is before them
    end_word: behind the last
    sentence: the sentence's number
    """
    _fields_ = [
        ("struct_size", ctypes.c_size_t),
        ("ids", ctypes.POINTER(ctypes.c_int32)),
        ("classes", ctypes.POINTER(ctypes.c_int32)),
        ("words", ctypes.POINTER(ctypes.c_int64)),
        ("length", ctypes.c_int64),
        ("first_word", ctypes.c_int64),
        ("end_word", ctypes.c_int64),
        ("sentence", ctypes.c_int64),
    ]
    _kinds_ = dict(_fields_)

_fst_token_callback = _callback_type(ctypes.c_int32, (_from_pointer,), True, ctypes.POINTER(Token),
        ctypes.c_void_p)
_fst_reward_callback = _callback_type(ctypes.c_int32, (_from_pointer, None,), True,
        ctypes.POINTER(RewardBatch), ctypes.POINTER(ctypes.c_float), ctypes.c_void_p)

STRUCTS = {
    "fst_view": View,
    "fst_space": Space,
    "fst_adapter_options": AdapterOptions,
    "fst_batch": Batch,
    "fst_context_options": ContextOptions,
    "fst_context_info": ContextInfo,
    "fst_tokenizer_train_options": TokenizerTrainOptions,
    "fst_wordpiece_options": WordpieceOptions,
    "fst_encode_options": EncodeOptions,
    "fst_added_token_options": AddedTokenOptions,
    "fst_chat_template": ChatTemplate,
    "fst_model_config": ModelConfig,
    "fst_model_options": ModelOptions,
    "fst_head_options": HeadOptions,
    "fst_sentence_options": SentenceOptions,
    "fst_forward_options": ForwardOptions,
    "fst_loss_options": LossOptions,
    "fst_loss": Loss,
    "fst_embed_options": EmbedOptions,
    "fst_dataset_text_options": DatasetTextOptions,
    "fst_dataset_token_options": DatasetTokenOptions,
    "fst_split_options": SplitOptions,
    "fst_pack_options": PackOptions,
    "fst_dataset_info": DatasetInfo,
    "fst_example_options": ExampleOptions,
    "fst_examples_info": ExamplesInfo,
    "fst_example": Example,
    "fst_image_options": ImageOptions,
    "fst_images_info": ImagesInfo,
    "fst_augment_options": AugmentOptions,
    "fst_run_progress": RunProgress,
    "fst_run_options": RunOptions,
    "fst_run_info": RunInfo,
    "fst_memory": Memory,
    "fst_contrastive_options": ContrastiveOptions,
    "fst_control_policy_options": ControlPolicyOptions,
    "fst_act_options": ActOptions,
    "fst_action_batch": ActionBatch,
    "fst_env_call": EnvCall,
    "fst_env_options": EnvOptions,
    "fst_env_make_options": EnvMakeOptions,
    "fst_env_info": EnvInfo,
    "fst_env_batch": EnvBatch,
    "fst_trajectories": Trajectories,
    "fst_gae_options": GaeOptions,
    "fst_baseline": Baseline,
    "fst_loss_weights_options": LossWeightsOptions,
    "fst_policy_loss_options": PolicyLossOptions,
    "fst_policy_loss": PolicyLoss,
    "fst_value_loss": ValueLoss,
    "fst_kl_controller": KlController,
    "fst_preference_loss_options": PreferenceLossOptions,
    "fst_preference_loss": PreferenceLoss,
    "fst_kto_options": KtoOptions,
    "fst_kto_loss": KtoLoss,
    "fst_score_loss": ScoreLoss,
    "fst_label_loss_options": LabelLossOptions,
    "fst_contrastive_loss_options": ContrastiveLossOptions,
    "fst_contrastive_loss": ContrastiveLoss,
    "fst_sampling_options": SamplingOptions,
    "fst_token": Token,
    "fst_generation": Generation,
    "fst_reward_batch": RewardBatch,
    "fst_reward_callback_options": RewardCallbackOptions,
    "fst_reward_rule_options": RewardRuleOptions,
    "fst_reward_head_options": RewardHeadOptions,
    "fst_reward_combine_options": RewardCombineOptions,
    "fst_reward_options": RewardOptions,
    "fst_rl_options": RlOptions,
    "fst_control_options": ControlOptions,
    "fst_dpo_options": DpoOptions,
    "fst_entity_metrics": EntityMetrics,
    "fst_entity_type": EntityType,
    "fst_mask_options": MaskOptions,
    "fst_class_metrics": ClassMetrics,
    "fst_label_metrics": LabelMetrics,
    "fst_regression_metrics": RegressionMetrics,
    "fst_schedule_options": ScheduleOptions,
    "fst_optimizer_options": OptimizerOptions,
    "fst_optimizer_report": OptimizerReport,
    "fst_pretrain_options": PretrainOptions,
    "fst_sft_options": SftOptions,
    "fst_word_options": WordOptions,
    "fst_words_info": WordsInfo,
    "fst_word": Word,
    "fst_word_example": WordExample,
}

_fst_last_error = _FUNCTIONS["fst_last_error"] = _bind("fst_last_error", ctypes.c_char_p)
_fst_status_name = _FUNCTIONS["fst_status_name"] = _bind("fst_status_name", ctypes.c_char_p,
        ctypes.c_int32)
_fst_dtype_size = _FUNCTIONS["fst_dtype_size"] = _bind("fst_dtype_size", ctypes.c_size_t,
        ctypes.c_int32)
_fst_dtype_name = _FUNCTIONS["fst_dtype_name"] = _bind("fst_dtype_name", ctypes.c_char_p,
        ctypes.c_int32)
_fst_space_init = _FUNCTIONS["fst_space_init"] = _bind("fst_space_init", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_size_t)
_fst_space_get_bytes = _FUNCTIONS["fst_space_get_bytes"] = _bind("fst_space_get_bytes",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_space_get_choices = _FUNCTIONS["fst_space_get_choices"] = _bind("fst_space_get_choices",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_actions_evaluate = _FUNCTIONS["fst_actions_evaluate"] = _bind("fst_actions_evaluate",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_fst_actions_gradient = _FUNCTIONS["fst_actions_gradient"] = _bind("fst_actions_gradient",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_void_p)
_fst_actions_sample = _FUNCTIONS["fst_actions_sample"] = _bind("fst_actions_sample", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_int64, ctypes.c_int64, ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_adapter_options_init = _FUNCTIONS["fst_adapter_options_init"] = _bind("fst_adapter_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_model_add_adapter = _FUNCTIONS["fst_model_add_adapter"] = _bind("fst_model_add_adapter",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_model_get_adapter = _FUNCTIONS["fst_model_get_adapter"] = _bind("fst_model_get_adapter",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_model_enable_adapter = _FUNCTIONS["fst_model_enable_adapter"] = _bind("fst_model_enable_adapter", ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32)
_fst_model_merge_adapter = _FUNCTIONS["fst_model_merge_adapter"] = _bind("fst_model_merge_adapter",
        ctypes.c_int32, ctypes.c_void_p)
_fst_model_remove_adapter = _FUNCTIONS["fst_model_remove_adapter"] = _bind("fst_model_remove_adapter", ctypes.c_int32, ctypes.c_void_p)
_fst_model_save_adapter = _FUNCTIONS["fst_model_save_adapter"] = _bind("fst_model_save_adapter",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p)
_fst_model_load_adapter = _FUNCTIONS["fst_model_load_adapter"] = _bind("fst_model_load_adapter",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p)
_fst_batch_init = _FUNCTIONS["fst_batch_init"] = _bind("fst_batch_init", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_size_t)
_fst_context_options_init = _FUNCTIONS["fst_context_options_init"] = _bind("fst_context_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_context_create = _FUNCTIONS["fst_context_create"] = _bind("fst_context_create", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p)
_fst_context_destroy = _FUNCTIONS["fst_context_destroy"] = _bind("fst_context_destroy", None,
        ctypes.c_void_p)
_fst_context_get_info = _FUNCTIONS["fst_context_get_info"] = _bind("fst_context_get_info",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_version = _FUNCTIONS["fst_version"] = _bind("fst_version", ctypes.c_char_p)
_fst_abi_version = _FUNCTIONS["fst_abi_version"] = _bind("fst_abi_version", ctypes.c_int32)
_fst_tokenizer_train_options_init = _FUNCTIONS["fst_tokenizer_train_options_init"] = _bind("fst_tokenizer_train_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_tokenizer_train_files = _FUNCTIONS["fst_tokenizer_train_files"] = _bind("fst_tokenizer_train_files", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p)
_fst_tokenizer_train_texts = _FUNCTIONS["fst_tokenizer_train_texts"] = _bind("fst_tokenizer_train_texts", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p)
_fst_tokenizer_load = _FUNCTIONS["fst_tokenizer_load"] = _bind("fst_tokenizer_load", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_fst_tokenizer_load_gpt2 = _FUNCTIONS["fst_tokenizer_load_gpt2"] = _bind("fst_tokenizer_load_gpt2",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
_fst_wordpiece_options_init = _FUNCTIONS["fst_wordpiece_options_init"] = _bind("fst_wordpiece_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_tokenizer_load_wordpiece = _FUNCTIONS["fst_tokenizer_load_wordpiece"] = _bind("fst_tokenizer_load_wordpiece", ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_tokenizer_save = _FUNCTIONS["fst_tokenizer_save"] = _bind("fst_tokenizer_save", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_char_p)
_fst_tokenizer_destroy = _FUNCTIONS["fst_tokenizer_destroy"] = _bind("fst_tokenizer_destroy", None,
        ctypes.c_void_p)
_fst_tokenizer_vocabulary_size = _FUNCTIONS["fst_tokenizer_vocabulary_size"] = _bind("fst_tokenizer_vocabulary_size", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_encode_options_init = _FUNCTIONS["fst_encode_options_init"] = _bind("fst_encode_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_tokenizer_encode = _FUNCTIONS["fst_tokenizer_encode"] = _bind("fst_tokenizer_encode",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_fst_tokenizer_encode_words = _FUNCTIONS["fst_tokenizer_encode_words"] = _bind("fst_tokenizer_encode_words", ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_fst_tokenizer_encode_pair = _FUNCTIONS["fst_tokenizer_encode_pair"] = _bind("fst_tokenizer_encode_pair", ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_fst_tokenizer_encode_batch = _FUNCTIONS["fst_tokenizer_encode_batch"] = _bind("fst_tokenizer_encode_batch", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_fst_tokenizer_decode = _FUNCTIONS["fst_tokenizer_decode"] = _bind("fst_tokenizer_decode",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_fst_tokenizer_token = _FUNCTIONS["fst_tokenizer_token"] = _bind("fst_tokenizer_token",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_tokenizer_find = _FUNCTIONS["fst_tokenizer_find"] = _bind("fst_tokenizer_find", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_fst_tokenizer_special_id = _FUNCTIONS["fst_tokenizer_special_id"] = _bind("fst_tokenizer_special_id", ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p)
_fst_tokenizer_set_special_id = _FUNCTIONS["fst_tokenizer_set_special_id"] = _bind("fst_tokenizer_set_special_id", ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32, ctypes.c_int32)
_fst_added_token_options_init = _FUNCTIONS["fst_added_token_options_init"] = _bind("fst_added_token_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_tokenizer_add_tokens = _FUNCTIONS["fst_tokenizer_add_tokens"] = _bind("fst_tokenizer_add_tokens", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_fst_chat_template_init = _FUNCTIONS["fst_chat_template_init"] = _bind("fst_chat_template_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_chat_template_preset = _FUNCTIONS["fst_chat_template_preset"] = _bind("fst_chat_template_preset", ctypes.c_int32, ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_chat_encode = _FUNCTIONS["fst_chat_encode"] = _bind("fst_chat_encode", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_model_config_init = _FUNCTIONS["fst_model_config_init"] = _bind("fst_model_config_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_model_config_set_family = _FUNCTIONS["fst_model_config_set_family"] = _bind("fst_model_config_set_family", ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32)
_fst_model_options_init = _FUNCTIONS["fst_model_options_init"] = _bind("fst_model_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_model_create = _FUNCTIONS["fst_model_create"] = _bind("fst_model_create", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_model_load = _FUNCTIONS["fst_model_load"] = _bind("fst_model_load", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_model_save = _FUNCTIONS["fst_model_save"] = _bind("fst_model_save", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
_fst_model_destroy = _FUNCTIONS["fst_model_destroy"] = _bind("fst_model_destroy", None,
        ctypes.c_void_p)
_fst_model_copy = _FUNCTIONS["fst_model_copy"] = _bind("fst_model_copy", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_model_copy_weights = _FUNCTIONS["fst_model_copy_weights"] = _bind("fst_model_copy_weights",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_model_get_config = _FUNCTIONS["fst_model_get_config"] = _bind("fst_model_get_config",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_model_parameter_count = _FUNCTIONS["fst_model_parameter_count"] = _bind("fst_model_parameter_count", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_model_parameter_name = _FUNCTIONS["fst_model_parameter_name"] = _bind("fst_model_parameter_name", ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_model_parameter = _FUNCTIONS["fst_model_parameter"] = _bind("fst_model_parameter",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_fst_model_gradient = _FUNCTIONS["fst_model_gradient"] = _bind("fst_model_gradient", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_fst_model_weights_changed = _FUNCTIONS["fst_model_weights_changed"] = _bind("fst_model_weights_changed", ctypes.c_int32, ctypes.c_void_p)
_fst_head_options_init = _FUNCTIONS["fst_head_options_init"] = _bind("fst_head_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_model_add_head = _FUNCTIONS["fst_model_add_head"] = _bind("fst_model_add_head", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p)
_fst_model_head_count = _FUNCTIONS["fst_model_head_count"] = _bind("fst_model_head_count",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_model_get_head = _FUNCTIONS["fst_model_get_head"] = _bind("fst_model_get_head", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_size_t)
_fst_model_set_labels = _FUNCTIONS["fst_model_set_labels"] = _bind("fst_model_set_labels",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int64)
_fst_model_get_label = _FUNCTIONS["fst_model_get_label"] = _bind("fst_model_get_label",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int64, ctypes.c_void_p)
_fst_sentence_options_init = _FUNCTIONS["fst_sentence_options_init"] = _bind("fst_sentence_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_model_get_sentence = _FUNCTIONS["fst_model_get_sentence"] = _bind("fst_model_get_sentence",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_model_set_sentence = _FUNCTIONS["fst_model_set_sentence"] = _bind("fst_model_set_sentence",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_model_zero_gradients = _FUNCTIONS["fst_model_zero_gradients"] = _bind("fst_model_zero_gradients", ctypes.c_int32, ctypes.c_void_p)
_fst_model_set_trainable = _FUNCTIONS["fst_model_set_trainable"] = _bind("fst_model_set_trainable",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int32)
_fst_forward_options_init = _FUNCTIONS["fst_forward_options_init"] = _bind("fst_forward_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_model_reserve = _FUNCTIONS["fst_model_reserve"] = _bind("fst_model_reserve", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int32, ctypes.c_void_p)
_fst_model_forward = _FUNCTIONS["fst_model_forward"] = _bind("fst_model_forward", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_model_output = _FUNCTIONS["fst_model_output"] = _bind("fst_model_output", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_fst_loss_options_init = _FUNCTIONS["fst_loss_options_init"] = _bind("fst_loss_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_model_loss = _FUNCTIONS["fst_model_loss"] = _bind("fst_model_loss", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_model_add_gradient = _FUNCTIONS["fst_model_add_gradient"] = _bind("fst_model_add_gradient",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_fst_model_backward = _FUNCTIONS["fst_model_backward"] = _bind("fst_model_backward", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_fst_embed_options_init = _FUNCTIONS["fst_embed_options_init"] = _bind("fst_embed_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_model_embed = _FUNCTIONS["fst_model_embed"] = _bind("fst_model_embed", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_void_p)
_fst_dataset_text_options_init = _FUNCTIONS["fst_dataset_text_options_init"] = _bind("fst_dataset_text_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_dataset_from_text_files = _FUNCTIONS["fst_dataset_from_text_files"] = _bind("fst_dataset_from_text_files", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_fst_dataset_from_jsonl_files = _FUNCTIONS["fst_dataset_from_jsonl_files"] = _bind("fst_dataset_from_jsonl_files", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_fst_dataset_from_texts = _FUNCTIONS["fst_dataset_from_texts"] = _bind("fst_dataset_from_texts",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_fst_dataset_token_options_init = _FUNCTIONS["fst_dataset_token_options_init"] = _bind("fst_dataset_token_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_dataset_from_tokens = _FUNCTIONS["fst_dataset_from_tokens"] = _bind("fst_dataset_from_tokens",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p,
        ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_fst_dataset_destroy = _FUNCTIONS["fst_dataset_destroy"] = _bind("fst_dataset_destroy", None,
        ctypes.c_void_p)
_fst_split_options_init = _FUNCTIONS["fst_split_options_init"] = _bind("fst_split_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_dataset_split = _FUNCTIONS["fst_dataset_split"] = _bind("fst_dataset_split", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_pack_options_init = _FUNCTIONS["fst_pack_options_init"] = _bind("fst_pack_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_dataset_pack = _FUNCTIONS["fst_dataset_pack"] = _bind("fst_dataset_pack", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_dataset_read = _FUNCTIONS["fst_dataset_read"] = _bind("fst_dataset_read", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int32, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_dataset_read_words = _FUNCTIONS["fst_dataset_read_words"] = _bind("fst_dataset_read_words",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int32,
        ctypes.c_void_p)
_fst_dataset_get_info = _FUNCTIONS["fst_dataset_get_info"] = _bind("fst_dataset_get_info",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_dataset_get_document = _FUNCTIONS["fst_dataset_get_document"] = _bind("fst_dataset_get_document", ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_example_options_init = _FUNCTIONS["fst_example_options_init"] = _bind("fst_example_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_dataset_load_examples = _FUNCTIONS["fst_dataset_load_examples"] = _bind("fst_dataset_load_examples", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_fst_dataset_from_conversations = _FUNCTIONS["fst_dataset_from_conversations"] = _bind("fst_dataset_from_conversations", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_fst_dataset_from_labelled = _FUNCTIONS["fst_dataset_from_labelled"] = _bind("fst_dataset_from_labelled", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_fst_dataset_from_preferences = _FUNCTIONS["fst_dataset_from_preferences"] = _bind("fst_dataset_from_preferences", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_fst_dataset_from_prompts = _FUNCTIONS["fst_dataset_from_prompts"] = _bind("fst_dataset_from_prompts", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_fst_dataset_from_pairs = _FUNCTIONS["fst_dataset_from_pairs"] = _bind("fst_dataset_from_pairs",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_fst_dataset_get_examples_info = _FUNCTIONS["fst_dataset_get_examples_info"] = _bind("fst_dataset_get_examples_info", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_dataset_get_example = _FUNCTIONS["fst_dataset_get_example"] = _bind("fst_dataset_get_example",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p,
        ctypes.c_size_t)
_fst_dataset_order = _FUNCTIONS["fst_dataset_order"] = _bind("fst_dataset_order", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_int32, ctypes.c_void_p)
_fst_dataset_select = _FUNCTIONS["fst_dataset_select"] = _bind("fst_dataset_select", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_dataset_read_labels = _FUNCTIONS["fst_dataset_read_labels"] = _bind("fst_dataset_read_labels",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_dataset_collate = _FUNCTIONS["fst_dataset_collate"] = _bind("fst_dataset_collate",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_dataset_collate_types = _FUNCTIONS["fst_dataset_collate_types"] = _bind("fst_dataset_collate_types", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
_fst_image_options_init = _FUNCTIONS["fst_image_options_init"] = _bind("fst_image_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_dataset_from_images = _FUNCTIONS["fst_dataset_from_images"] = _bind("fst_dataset_from_images",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32,
        ctypes.c_int32, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p,
        ctypes.c_void_p)
_fst_dataset_load_idx = _FUNCTIONS["fst_dataset_load_idx"] = _bind("fst_dataset_load_idx",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p,
        ctypes.c_void_p)
_fst_dataset_load_image_folder = _FUNCTIONS["fst_dataset_load_image_folder"] = _bind("fst_dataset_load_image_folder", ctypes.c_int32, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_dataset_get_images_info = _FUNCTIONS["fst_dataset_get_images_info"] = _bind("fst_dataset_get_images_info", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_dataset_get_class_name = _FUNCTIONS["fst_dataset_get_class_name"] = _bind("fst_dataset_get_class_name", ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_dataset_measure_images = _FUNCTIONS["fst_dataset_measure_images"] = _bind("fst_dataset_measure_images", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_augment_options_init = _FUNCTIONS["fst_augment_options_init"] = _bind("fst_augment_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_augment_options_simclr = _FUNCTIONS["fst_augment_options_simclr"] = _bind("fst_augment_options_simclr", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_double)
_fst_dataset_read_images = _FUNCTIONS["fst_dataset_read_images"] = _bind("fst_dataset_read_images",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p,
        ctypes.c_int64, ctypes.c_void_p)
_fst_run_options_init = _FUNCTIONS["fst_run_options_init"] = _bind("fst_run_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_run_destroy = _FUNCTIONS["fst_run_destroy"] = _bind("fst_run_destroy", None, ctypes.c_void_p)
_fst_run_step = _FUNCTIONS["fst_run_step"] = _bind("fst_run_step", ctypes.c_int32, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_size_t)
_fst_run_advance = _FUNCTIONS["fst_run_advance"] = _bind("fst_run_advance", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p)
_fst_run_until = _FUNCTIONS["fst_run_until"] = _bind("fst_run_until", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_int64)
_fst_run_evaluate = _FUNCTIONS["fst_run_evaluate"] = _bind("fst_run_evaluate", ctypes.c_int32,
        ctypes.c_void_p)
_fst_run_cancel = _FUNCTIONS["fst_run_cancel"] = _bind("fst_run_cancel", ctypes.c_int32,
        ctypes.c_void_p)
_fst_run_metric = _FUNCTIONS["fst_run_metric"] = _bind("fst_run_metric", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_fst_run_metric_count = _FUNCTIONS["fst_run_metric_count"] = _bind("fst_run_metric_count",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_run_metric_name = _FUNCTIONS["fst_run_metric_name"] = _bind("fst_run_metric_name",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_run_get_info = _FUNCTIONS["fst_run_get_info"] = _bind("fst_run_get_info", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_run_memory = _FUNCTIONS["fst_run_memory"] = _bind("fst_run_memory", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_run_save = _FUNCTIONS["fst_run_save"] = _bind("fst_run_save", ctypes.c_int32, ctypes.c_void_p,
        ctypes.c_char_p)
_fst_run_resume = _FUNCTIONS["fst_run_resume"] = _bind("fst_run_resume", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_char_p)
_fst_contrastive_options_init = _FUNCTIONS["fst_contrastive_options_init"] = _bind("fst_contrastive_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_contrastive_create = _FUNCTIONS["fst_contrastive_create"] = _bind("fst_contrastive_create",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_control_policy_options_init = _FUNCTIONS["fst_control_policy_options_init"] = _bind("fst_control_policy_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_policy_create_control = _FUNCTIONS["fst_policy_create_control"] = _bind("fst_policy_create_control", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_policy_get_model = _FUNCTIONS["fst_policy_get_model"] = _bind("fst_policy_get_model",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_policy_observation_space = _FUNCTIONS["fst_policy_observation_space"] = _bind("fst_policy_observation_space", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_policy_action_space = _FUNCTIONS["fst_policy_action_space"] = _bind("fst_policy_action_space",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_act_options_init = _FUNCTIONS["fst_act_options_init"] = _bind("fst_act_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_policy_act = _FUNCTIONS["fst_policy_act"] = _bind("fst_policy_act", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_void_p)
_fst_action_batch_init = _FUNCTIONS["fst_action_batch_init"] = _bind("fst_action_batch_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_policy_evaluate = _FUNCTIONS["fst_policy_evaluate"] = _bind("fst_policy_evaluate",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_void_p)
_fst_policy_backward = _FUNCTIONS["fst_policy_backward"] = _bind("fst_policy_backward",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_policy_update_normalizer = _FUNCTIONS["fst_policy_update_normalizer"] = _bind("fst_policy_update_normalizer", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
_fst_policy_save = _FUNCTIONS["fst_policy_save"] = _bind("fst_policy_save", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_char_p)
_fst_policy_load = _FUNCTIONS["fst_policy_load"] = _bind("fst_policy_load", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_fst_env_options_init = _FUNCTIONS["fst_env_options_init"] = _bind("fst_env_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_env_create = _FUNCTIONS["fst_env_create"] = _bind("fst_env_create", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_env_make_options_init = _FUNCTIONS["fst_env_make_options_init"] = _bind("fst_env_make_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_env_make = _FUNCTIONS["fst_env_make"] = _bind("fst_env_make", ctypes.c_int32, ctypes.c_void_p,
        ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_env_builtin_count = _FUNCTIONS["fst_env_builtin_count"] = _bind("fst_env_builtin_count",
        ctypes.c_int32, ctypes.c_void_p)
_fst_env_builtin_name = _FUNCTIONS["fst_env_builtin_name"] = _bind("fst_env_builtin_name",
        ctypes.c_int32, ctypes.c_int64, ctypes.c_void_p)
_fst_env_destroy = _FUNCTIONS["fst_env_destroy"] = _bind("fst_env_destroy", None, ctypes.c_void_p)
_fst_env_get_info = _FUNCTIONS["fst_env_get_info"] = _bind("fst_env_get_info", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_env_observation_space = _FUNCTIONS["fst_env_observation_space"] = _bind("fst_env_observation_space", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_env_action_space = _FUNCTIONS["fst_env_action_space"] = _bind("fst_env_action_space",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_env_reset = _FUNCTIONS["fst_env_reset"] = _bind("fst_env_reset", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_int64)
_fst_env_reset_some = _FUNCTIONS["fst_env_reset_some"] = _bind("fst_env_reset_some", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
_fst_env_step = _FUNCTIONS["fst_env_step"] = _bind("fst_env_step", ctypes.c_int32, ctypes.c_void_p,
        ctypes.c_void_p)
_fst_env_step_some = _FUNCTIONS["fst_env_step_some"] = _bind("fst_env_step_some", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_env_get_batch = _FUNCTIONS["fst_env_get_batch"] = _bind("fst_env_get_batch", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_env_render = _FUNCTIONS["fst_env_render"] = _bind("fst_env_render", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_void_p)
_fst_env_get_state = _FUNCTIONS["fst_env_get_state"] = _bind("fst_env_get_state", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_size_t)
_fst_env_set_state = _FUNCTIONS["fst_env_set_state"] = _bind("fst_env_set_state", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_size_t)
_fst_trajectories_init = _FUNCTIONS["fst_trajectories_init"] = _bind("fst_trajectories_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_gae_options_init = _FUNCTIONS["fst_gae_options_init"] = _bind("fst_gae_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_advantages_gae = _FUNCTIONS["fst_advantages_gae"] = _bind("fst_advantages_gae", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_advantages_whiten = _FUNCTIONS["fst_advantages_whiten"] = _bind("fst_advantages_whiten",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32)
_fst_advantages_group = _FUNCTIONS["fst_advantages_group"] = _bind("fst_advantages_group",
        ctypes.c_int32, ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64,
        ctypes.c_void_p)
_fst_baseline_init = _FUNCTIONS["fst_baseline_init"] = _bind("fst_baseline_init", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_size_t)
_fst_advantages_baseline = _FUNCTIONS["fst_advantages_baseline"] = _bind("fst_advantages_baseline",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_loss_weights_options_init = _FUNCTIONS["fst_loss_weights_options_init"] = _bind("fst_loss_weights_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_loss_weights = _FUNCTIONS["fst_loss_weights"] = _bind("fst_loss_weights", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64,
        ctypes.c_void_p)
_fst_policy_loss_options_init = _FUNCTIONS["fst_policy_loss_options_init"] = _bind("fst_policy_loss_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_loss_policy = _FUNCTIONS["fst_loss_policy"] = _bind("fst_loss_policy", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_loss_value = _FUNCTIONS["fst_loss_value"] = _bind("fst_loss_value", ctypes.c_int32,
        ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_loss_kl = _FUNCTIONS["fst_loss_kl"] = _bind("fst_loss_kl", ctypes.c_int32, ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_void_p)
_fst_kl_controller_init = _FUNCTIONS["fst_kl_controller_init"] = _bind("fst_kl_controller_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_kl_controller_update = _FUNCTIONS["fst_kl_controller_update"] = _bind("fst_kl_controller_update", ctypes.c_int32, ctypes.c_void_p, ctypes.c_double, ctypes.c_int64)
_fst_preference_loss_options_init = _FUNCTIONS["fst_preference_loss_options_init"] = _bind("fst_preference_loss_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_loss_preference = _FUNCTIONS["fst_loss_preference"] = _bind("fst_loss_preference",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_kto_options_init = _FUNCTIONS["fst_kto_options_init"] = _bind("fst_kto_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_loss_kto = _FUNCTIONS["fst_loss_kto"] = _bind("fst_loss_kto", ctypes.c_int32, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_kto_reference_point = _FUNCTIONS["fst_kto_reference_point"] = _bind("fst_kto_reference_point",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_loss_bradley_terry = _FUNCTIONS["fst_loss_bradley_terry"] = _bind("fst_loss_bradley_terry",
        ctypes.c_int32, ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_size_t)
_fst_loss_k_wise = _FUNCTIONS["fst_loss_k_wise"] = _bind("fst_loss_k_wise", ctypes.c_int32,
        ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_loss_regression = _FUNCTIONS["fst_loss_regression"] = _bind("fst_loss_regression",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_loss_ranked = _FUNCTIONS["fst_loss_ranked"] = _bind("fst_loss_ranked", ctypes.c_int32,
        ctypes.c_double, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_size_t)
_fst_ranked_pairs = _FUNCTIONS["fst_ranked_pairs"] = _bind("fst_ranked_pairs", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_loss_ordinal = _FUNCTIONS["fst_loss_ordinal"] = _bind("fst_loss_ordinal", ctypes.c_int32,
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_label_loss_options_init = _FUNCTIONS["fst_label_loss_options_init"] = _bind("fst_label_loss_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_loss_classes = _FUNCTIONS["fst_loss_classes"] = _bind("fst_loss_classes", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_loss_labels = _FUNCTIONS["fst_loss_labels"] = _bind("fst_loss_labels", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_contrastive_loss_options_init = _FUNCTIONS["fst_contrastive_loss_options_init"] = _bind("fst_contrastive_loss_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_loss_ntxent = _FUNCTIONS["fst_loss_ntxent"] = _bind("fst_loss_ntxent", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_loss_infonce = _FUNCTIONS["fst_loss_infonce"] = _bind("fst_loss_infonce", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_size_t)
_fst_sampling_options_init = _FUNCTIONS["fst_sampling_options_init"] = _bind("fst_sampling_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_policy_create = _FUNCTIONS["fst_policy_create"] = _bind("fst_policy_create", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_policy_destroy = _FUNCTIONS["fst_policy_destroy"] = _bind("fst_policy_destroy", None,
        ctypes.c_void_p)
_fst_policy_generate = _FUNCTIONS["fst_policy_generate"] = _bind("fst_policy_generate",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_policy_generate_text = _FUNCTIONS["fst_policy_generate_text"] = _bind("fst_policy_generate_text", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_policy_get_result = _FUNCTIONS["fst_policy_get_result"] = _bind("fst_policy_get_result",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_size_t)
_fst_reward_batch_init = _FUNCTIONS["fst_reward_batch_init"] = _bind("fst_reward_batch_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_reward_callback_options_init = _FUNCTIONS["fst_reward_callback_options_init"] = _bind("fst_reward_callback_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_reward_model_from_callback = _FUNCTIONS["fst_reward_model_from_callback"] = _bind("fst_reward_model_from_callback", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_reward_rule_options_init = _FUNCTIONS["fst_reward_rule_options_init"] = _bind("fst_reward_rule_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_reward_model_from_rule = _FUNCTIONS["fst_reward_model_from_rule"] = _bind("fst_reward_model_from_rule", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_reward_head_options_init = _FUNCTIONS["fst_reward_head_options_init"] = _bind("fst_reward_head_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_reward_model_from_model = _FUNCTIONS["fst_reward_model_from_model"] = _bind("fst_reward_model_from_model", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_reward_combine_options_init = _FUNCTIONS["fst_reward_combine_options_init"] = _bind("fst_reward_combine_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_reward_model_combine = _FUNCTIONS["fst_reward_model_combine"] = _bind("fst_reward_model_combine", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_fst_reward_model_destroy = _FUNCTIONS["fst_reward_model_destroy"] = _bind("fst_reward_model_destroy", None, ctypes.c_void_p)
_fst_reward_model_score = _FUNCTIONS["fst_reward_model_score"] = _bind("fst_reward_model_score",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_reward_model_score_texts = _FUNCTIONS["fst_reward_model_score_texts"] = _bind("fst_reward_model_score_texts", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_reward_model_score_ids = _FUNCTIONS["fst_reward_model_score_ids"] = _bind("fst_reward_model_score_ids", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_reward_model_member_count = _FUNCTIONS["fst_reward_model_member_count"] = _bind("fst_reward_model_member_count", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_reward_model_member_scores = _FUNCTIONS["fst_reward_model_member_scores"] = _bind("fst_reward_model_member_scores", ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_reward_model_freeze = _FUNCTIONS["fst_reward_model_freeze"] = _bind("fst_reward_model_freeze",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32)
_fst_reward_options_init = _FUNCTIONS["fst_reward_options_init"] = _bind("fst_reward_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_reward_create = _FUNCTIONS["fst_reward_create"] = _bind("fst_reward_create", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p)
_fst_reward_shift = _FUNCTIONS["fst_reward_shift"] = _bind("fst_reward_shift", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_rl_options_init = _FUNCTIONS["fst_rl_options_init"] = _bind("fst_rl_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_rl_options_set_algorithm = _FUNCTIONS["fst_rl_options_set_algorithm"] = _bind("fst_rl_options_set_algorithm", ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32)
_fst_rl_create = _FUNCTIONS["fst_rl_create"] = _bind("fst_rl_create", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p)
_fst_control_options_init = _FUNCTIONS["fst_control_options_init"] = _bind("fst_control_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_control_options_set_algorithm = _FUNCTIONS["fst_control_options_set_algorithm"] = _bind("fst_control_options_set_algorithm", ctypes.c_int32, ctypes.c_void_p, ctypes.c_int32)
_fst_control_create = _FUNCTIONS["fst_control_create"] = _bind("fst_control_create", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p)
_fst_control_act = _FUNCTIONS["fst_control_act"] = _bind("fst_control_act", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_control_observe = _FUNCTIONS["fst_control_observe"] = _bind("fst_control_observe",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_void_p)
_fst_dpo_options_init = _FUNCTIONS["fst_dpo_options_init"] = _bind("fst_dpo_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_dpo_create = _FUNCTIONS["fst_dpo_create"] = _bind("fst_dpo_create", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p)
_fst_entities_create = _FUNCTIONS["fst_entities_create"] = _bind("fst_entities_create",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32,
        ctypes.c_int32, ctypes.c_void_p)
_fst_entities_destroy = _FUNCTIONS["fst_entities_destroy"] = _bind("fst_entities_destroy", None,
        ctypes.c_void_p)
_fst_entities_add = _FUNCTIONS["fst_entities_add"] = _bind("fst_entities_add", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)
_fst_entities_clear = _FUNCTIONS["fst_entities_clear"] = _bind("fst_entities_clear", ctypes.c_int32,
        ctypes.c_void_p)
_fst_entities_get_metrics = _FUNCTIONS["fst_entities_get_metrics"] = _bind("fst_entities_get_metrics", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_entities_get_type_count = _FUNCTIONS["fst_entities_get_type_count"] = _bind("fst_entities_get_type_count", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_entities_get_type = _FUNCTIONS["fst_entities_get_type"] = _bind("fst_entities_get_type",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_size_t)
_fst_entities_find = _FUNCTIONS["fst_entities_find"] = _bind("fst_entities_find", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_tokenizer_token_flags = _FUNCTIONS["fst_tokenizer_token_flags"] = _bind("fst_tokenizer_token_flags", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_fst_mask_options_init = _FUNCTIONS["fst_mask_options_init"] = _bind("fst_mask_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_mask_tokens = _FUNCTIONS["fst_mask_tokens"] = _bind("fst_mask_tokens", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64,
        ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_fst_metrics_confusion = _FUNCTIONS["fst_metrics_confusion"] = _bind("fst_metrics_confusion",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64,
        ctypes.c_void_p)
_fst_metrics_classes = _FUNCTIONS["fst_metrics_classes"] = _bind("fst_metrics_classes",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_metrics_labels = _FUNCTIONS["fst_metrics_labels"] = _bind("fst_metrics_labels", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_double,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_metrics_regression = _FUNCTIONS["fst_metrics_regression"] = _bind("fst_metrics_regression",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_void_p, ctypes.c_size_t)
_fst_metrics_correlation = _FUNCTIONS["fst_metrics_correlation"] = _bind("fst_metrics_correlation",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_void_p, ctypes.c_void_p)
_fst_metrics_knn = _FUNCTIONS["fst_metrics_knn"] = _bind("fst_metrics_knn", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p,
        ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_int64, ctypes.c_double,
        ctypes.c_void_p)
_fst_metrics_uniformity = _FUNCTIONS["fst_metrics_uniformity"] = _bind("fst_metrics_uniformity",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64,
        ctypes.c_void_p)
_fst_schedule_options_init = _FUNCTIONS["fst_schedule_options_init"] = _bind("fst_schedule_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_schedule_learning_rate = _FUNCTIONS["fst_schedule_learning_rate"] = _bind("fst_schedule_learning_rate", ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_optimizer_options_init = _FUNCTIONS["fst_optimizer_options_init"] = _bind("fst_optimizer_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_optimizer_create = _FUNCTIONS["fst_optimizer_create"] = _bind("fst_optimizer_create",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
_fst_optimizer_destroy = _FUNCTIONS["fst_optimizer_destroy"] = _bind("fst_optimizer_destroy", None,
        ctypes.c_void_p)
_fst_optimizer_step = _FUNCTIONS["fst_optimizer_step"] = _bind("fst_optimizer_step", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_optimizer_zero_gradients = _FUNCTIONS["fst_optimizer_zero_gradients"] = _bind("fst_optimizer_zero_gradients", ctypes.c_int32, ctypes.c_void_p)
_fst_optimizer_learning_rate = _FUNCTIONS["fst_optimizer_learning_rate"] = _bind("fst_optimizer_learning_rate", ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_pretrain_options_init = _FUNCTIONS["fst_pretrain_options_init"] = _bind("fst_pretrain_options_init", ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_pretrain_create = _FUNCTIONS["fst_pretrain_create"] = _bind("fst_pretrain_create",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p)
_fst_sft_options_init = _FUNCTIONS["fst_sft_options_init"] = _bind("fst_sft_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_sft_create = _FUNCTIONS["fst_sft_create"] = _bind("fst_sft_create", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p)
_fst_sft_confusion = _FUNCTIONS["fst_sft_confusion"] = _bind("fst_sft_confusion", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_sft_entities = _FUNCTIONS["fst_sft_entities"] = _bind("fst_sft_entities", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_int32, ctypes.c_void_p)
_fst_sft_tag = _FUNCTIONS["fst_sft_tag"] = _bind("fst_sft_tag", ctypes.c_int32, ctypes.c_void_p,
        ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_void_p)
_fst_sft_predict = _FUNCTIONS["fst_sft_predict"] = _bind("fst_sft_predict", ctypes.c_int32,
        ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p,
        ctypes.c_int64, ctypes.c_void_p)
_fst_word_options_init = _FUNCTIONS["fst_word_options_init"] = _bind("fst_word_options_init",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_size_t)
_fst_dataset_from_words = _FUNCTIONS["fst_dataset_from_words"] = _bind("fst_dataset_from_words",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p,
        ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_void_p)
_fst_dataset_load_conll = _FUNCTIONS["fst_dataset_load_conll"] = _bind("fst_dataset_load_conll",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64,
        ctypes.c_void_p, ctypes.c_void_p)
_fst_dataset_get_words_info = _FUNCTIONS["fst_dataset_get_words_info"] = _bind("fst_dataset_get_words_info", ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_fst_dataset_get_tag = _FUNCTIONS["fst_dataset_get_tag"] = _bind("fst_dataset_get_tag",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)
_fst_dataset_get_word = _FUNCTIONS["fst_dataset_get_word"] = _bind("fst_dataset_get_word",
        ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_size_t)
_fst_dataset_get_word_example = _FUNCTIONS["fst_dataset_get_word_example"] = _bind("fst_dataset_get_word_example", ctypes.c_int32, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p, ctypes.c_size_t)
_last_error = _fst_last_error


class Context(Handle):
    """Allocator, thread pool, log sink, seed.
    Since 0.1
    """
    _destroy_ = "fst_context_destroy"

    @staticmethod
    def create(options=None, **fields):
        """Creates a context.
        options: NULL for defaults.
        Returns context: the new context; the caller owns it.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NO_MEMORY, or FST_ERR_UNSUPPORTED for a
            provider that this build lacks.
        Since 0.1
        """
        options = _filled(ContextOptions, options, fields)
        context_out = ctypes.c_void_p()
        _keep = (options,)
        _check(_fst_context_create(_reference(options), ctypes.byref(context_out)))
        return Context._adopt(context_out.value, _keep)

    def __init__(self, options=None, **fields):
        """As create."""
        made = Context.create(options=options, **fields)
        self._take(made._address, made._keep)
        made._owned = False

    def get_info(self):
        """Returns info
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        info_out = ContextInfo()
        object.__setattr__(info_out, 'status', _check(_fst_context_get_info(self._pointer(),
                ctypes.byref(info_out), ctypes.sizeof(info_out))))
        return info_out


class Tokenizer(Handle):
    """Text to ids and back.
    Since 0.1
    """
    _destroy_ = "fst_tokenizer_destroy"

    @staticmethod
    def train_files(context, paths, options=None, **fields):
        """Trains a tokenizer on text files. BPE and WordPiece read each line, its line end included,
            as a text of its own; the result is that of `tokenizers`' BpeTrainer with the byte-level
            initial alphabet, or of its WordPieceTrainer, which leaves the order of the letters
            inside words to chance: here it is that of their code points. Words are counted on the
            context's threads; the result does not depend on their number.
        context: the context; kept alive by the tokenizer.
        paths: count file names.
        options: NULL for defaults.
        Returns tokenizer: the new tokenizer; the caller owns it.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_IO, FST_ERR_NOT_FOUND, FST_ERR_NO_MEMORY,
            or FST_ERR_FORMAT where a CHARACTER tokenizer meets bytes that are not UTF-8.
        Since 0.1
        """
        paths_c, paths_lengths, paths_count = _texts(paths)
        options = _filled(TokenizerTrainOptions, options, fields)
        tokenizer_out = ctypes.c_void_p()
        _keep = (context, paths_c, options,)
        _check(_fst_tokenizer_train_files(_handle(Context, context), paths_c, paths_count,
                _reference(options), ctypes.byref(tokenizer_out)))
        return Tokenizer._adopt(tokenizer_out.value, _keep)

    @staticmethod
    def train_texts(context, texts, options=None, **fields):
        """Trains a tokenizer on texts in memory, each taken as a whole.
        context: the context; kept alive by the tokenizer.
        texts: count texts; borrowed for the call.
        options: NULL for defaults.
        Returns tokenizer: the new tokenizer; the caller owns it.
        Status: as fst_tokenizer_train_files.
        Since 0.1
        """
        texts_c, texts_lengths, texts_count = _texts(texts)
        options = _filled(TokenizerTrainOptions, options, fields)
        tokenizer_out = ctypes.c_void_p()
        _keep = (context, texts_c, options,)
        _check(_fst_tokenizer_train_texts(_handle(Context, context), texts_c, texts_lengths,
                texts_count, _reference(options), ctypes.byref(tokenizer_out)))
        return Tokenizer._adopt(tokenizer_out.value, _keep)

    @staticmethod
    def load(context, path):
        """Reads a tokenizer.json of Hugging Face `tokenizers`: model BPE (byte-level), WordPiece or
            WordLevel; normalizers NFC, NFD, NFKC, NFKD, BertNormalizer; pre-tokenizers ByteLevel,
            Split, Digits, BertPreTokenizer; post-processors ByteLevel, TemplateProcessing,
            RobertaProcessing, BertProcessing; decoders ByteLevel, WordPiece, Fuse; a Sequence of
            any of these. Truncation and padding are kept for saving but not applied.
        context: the context; kept alive by the tokenizer.
        path: the file, or the directory that holds it; in a directory, tokenizer_config.json names
            the tokens of fst_tokenizer_special_id. A file whose name ends in .txt, or the vocab.txt
            of a directory without tokenizer.json, is read as by fst_tokenizer_load_wordpiece.
        Returns tokenizer: the new tokenizer; the caller owns it.
        Status: FST_OK, FST_ERR_NOT_FOUND, FST_ERR_IO, FST_ERR_FORMAT, FST_ERR_NO_MEMORY, or
            FST_ERR_UNSUPPORTED for a component that the text names.
        Since 0.1
        """
        path = _text(path)
        tokenizer_out = ctypes.c_void_p()
        _keep = (context,)
        _check(_fst_tokenizer_load(_handle(Context, context), path, ctypes.byref(tokenizer_out)))
        return Tokenizer._adopt(tokenizer_out.value, _keep)

    @staticmethod
    def load_gpt2(context, vocabulary_path, merges_path):
        """Reads GPT-2's own two files.
        context: the context; kept alive by the tokenizer.
        vocabulary_path: vocab.json: token to id.
        merges_path: merges.txt: one merge a line, best first.
        Returns tokenizer: the new tokenizer; the caller owns it.
        Status: as fst_tokenizer_load.
        Since 0.1
        """
        vocabulary_path = _text(vocabulary_path)
        merges_path = _text(merges_path)
        tokenizer_out = ctypes.c_void_p()
        _keep = (context,)
        _check(_fst_tokenizer_load_gpt2(_handle(Context, context), vocabulary_path, merges_path,
                ctypes.byref(tokenizer_out)))
        return Tokenizer._adopt(tokenizer_out.value, _keep)

    @staticmethod
    def load_wordpiece(context, path, options=None, **fields):
        """Reads BERT's vocab.txt: a token a line, whose number less one is its id; those that go on
            with a word begin with "##". [UNK], [CLS], [SEP], [PAD] and [MASK], or what
            tokenizer_config.json beside the file names instead, are special tokens; [CLS] and [SEP]
            are put around a text.
        context: the context; kept alive by the tokenizer.
        path: the file.
        options: NULL for defaults.
        Returns tokenizer: the new tokenizer; the caller owns it.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NOT_FOUND, FST_ERR_IO, FST_ERR_NO_MEMORY,
            or FST_ERR_FORMAT with the line in the text.
        Since 0.1
        """
        path = _text(path)
        options = _filled(WordpieceOptions, options, fields)
        tokenizer_out = ctypes.c_void_p()
        _keep = (context, options,)
        _check(_fst_tokenizer_load_wordpiece(_handle(Context, context), path, _reference(options),
                ctypes.byref(tokenizer_out)))
        return Tokenizer._adopt(tokenizer_out.value, _keep)

    def save(self, path):
        """Writes a tokenizer.json that `tokenizers` loads. What was there before stays until the new
            file is complete on disk. A CHARACTER tokenizer is written as a WordLevel model behind a
            Split pre-tokenizer that isolates each code point.
        path: a file name; or an existing directory, which then gets tokenizer.json and a
            tokenizer_config.json that names the special tokens.
        Status: FST_OK, FST_ERR_IO or FST_ERR_NO_MEMORY.
        Since 0.1
        """
        path = _text(path)
        return _check(_fst_tokenizer_save(self._pointer(), path))

    def vocabulary_size(self):
        """Returns size: largest id + 1, added tokens counted.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        size_out = ctypes.c_int32()
        _check(_fst_tokenizer_vocabulary_size(self._pointer(), ctypes.byref(size_out)))
        return size_out.value

    def encode(self, text=None, options=None, offsets=False, **fields):
        """Encodes a text. Call with capacity 0 for the number of ids, or with a capacity that is
            surely enough: without a normalizer, length + what the post-processor adds.
        text: any bytes; may be NULL where length is 0.
        options: NULL for defaults.
        offsets: out, [capacity][2]: the bytes of the text, begin and end, that each id stands for;
            for byte-level BPE exactly the token's bytes, a leading space included. 0, 0 for what
            the post-processor adds; where a normalizer changed the text, the whole stretch it
            changed. NULL: none.
        Returns ids: up to capacity ids; may be NULL where capacity is 0.
        Status: FST_OK; FST_ERR_BUFFER_TOO_SMALL with *count set and nothing written;
            FST_ERR_INVALID_ARGUMENT; FST_ERR_NO_MEMORY; FST_ERR_NOT_FOUND where something has no
            token and the tokenizer has no unknown token.
        Since 0.1
        """
        text = _text(text)
        options = _filled(EncodeOptions, options, fields)
        _capacity = len(text or b'') + 16
        _count = ctypes.c_size_t()
        while True:
            ids_out = numpy.empty(_capacity, 'int32')
            offsets_out = numpy.empty((_capacity, 2), 'int64') if offsets else None
            _status = _fst_tokenizer_encode(self._pointer(), text, 0 if text is None else len(text),
                    _reference(options), _address(ids_out), _address(offsets_out), _capacity,
                    ctypes.byref(_count))
            if _status != ERR_BUFFER_TOO_SMALL:
                break
            _capacity = _count.value
        _check(_status)
        if offsets:
            return ids_out[:_count.value], offsets_out[:_count.value]
        return ids_out[:_count.value]

    def encode_words(self, text=None, options=None, offsets=False, **fields):
        """As fst_tokenizer_encode, with the word that each id belongs to: what the pre-tokenizer cut
            the text into (`tokenizers`' word_ids). For BERT that is what stands between white space
            and punctuation, each punctuation mark, and each Chinese character.
        text: any bytes; may be NULL where length is 0.
        options: NULL for defaults.
        offsets: out, [capacity][2]: as those of fst_tokenizer_encode. NULL: none.
        Returns ids: [capacity] the ids; may be NULL where capacity is 0.
        Returns words: [capacity] for each id the number of its word, from 0 on, an added token in
            the text counted as one; -1 for what the post-processor adds. May be NULL where capacity
            is 0.
        Status: as fst_tokenizer_encode.
        Since 0.1
        """
        text = _text(text)
        options = _filled(EncodeOptions, options, fields)
        _capacity = len(text or b'') + 16
        _count = ctypes.c_size_t()
        while True:
            ids_out = numpy.empty(_capacity, 'int32')
            words_out = numpy.empty(_capacity, 'int32')
            offsets_out = numpy.empty((_capacity, 2), 'int64') if offsets else None
            _status = _fst_tokenizer_encode_words(self._pointer(), text,
                    0 if text is None else len(text), _reference(options), _address(ids_out),
                    _address(words_out), _address(offsets_out), _capacity, ctypes.byref(_count))
            if _status != ERR_BUFFER_TOO_SMALL:
                break
            _capacity = _count.value
        _check(_status)
        if offsets:
            return ids_out[:_count.value], words_out[:_count.value], offsets_out[:_count.value]
        return ids_out[:_count.value], words_out[:_count.value]

    def encode_pair(self, first, second, options=None, **fields):
        """Encodes two texts into one sequence by the post-processor's template for pairs: BERT's is
            [CLS] first [SEP] second [SEP], of types 0 and from the second on 1. Without a template,
            or where no special tokens are to be added, the second follows the first.
        first: any bytes.
        second: any bytes.
        options: NULL for defaults.
        Returns ids: [capacity] the ids; may be NULL where capacity is 0.
        Returns types: [capacity] for each id its token type; may be NULL where capacity is 0.
        Returns words: [capacity] as fst_tokenizer_encode_words', the second text's from 0 on again;
            may be NULL where capacity is 0.
        Status: as fst_tokenizer_encode.
        Since 0.1
        """
        first = _text(first)
        second = _text(second)
        options = _filled(EncodeOptions, options, fields)
        _capacity = len(first or b'') + len(second or b'') + 16
        _count = ctypes.c_size_t()
        while True:
            ids_out = numpy.empty(_capacity, 'int32')
            types_out = numpy.empty(_capacity, 'int32')
            words_out = numpy.empty(_capacity, 'int32')
            _status = _fst_tokenizer_encode_pair(self._pointer(), first,
                    0 if first is None else len(first), second,
                    0 if second is None else len(second), _reference(options), _address(ids_out),
                    _address(types_out), _address(words_out), _capacity, ctypes.byref(_count))
            if _status != ERR_BUFFER_TOO_SMALL:
                break
            _capacity = _count.value
        _check(_status)
        return ids_out[:_count.value], types_out[:_count.value], words_out[:_count.value]

    def decode(self, ids, skip_special):
        """The bytes that ids stand for. They need not be valid UTF-8: a token may end inside a
            character.
        ids: count ids.
        skip_special: 1: special tokens give no text.
        Returns text: up to capacity bytes, and a NUL behind them where there is room; may be NULL
            where capacity is 0.
        Status: FST_OK; FST_ERR_BUFFER_TOO_SMALL with *length set and nothing written;
            FST_ERR_INVALID_ARGUMENT for an id that is no token, named in the text with its place.
        Since 0.1
        """
        ids = _input(ids, 'int32')
        _capacity = 256
        _count = ctypes.c_size_t()
        while True:
            text_out = numpy.empty(_capacity, 'int8')
            _status = _fst_tokenizer_decode(self._pointer(), _address(ids),
                    0 if ids is None else ids.size, _index(skip_special), _address(text_out),
                    _capacity, ctypes.byref(_count))
            if _status != ERR_BUFFER_TOO_SMALL:
                break
            _capacity = _count.value
        _check(_status)
        return text_out[:_count.value].tobytes()

    def token(self, id):
        """A token's bytes.
        id: the token.
        Returns bytes: borrowed, not NUL-terminated, valid until the tokenizer is changed or
            destroyed.
        Status: FST_OK, or FST_ERR_INVALID_ARGUMENT for an id that is no token.
        Since 0.1
        """
        bytes_out = ctypes.c_void_p()
        length_out = ctypes.c_size_t()
        _check(_fst_tokenizer_token(self._pointer(), _index(id), ctypes.byref(bytes_out),
                ctypes.byref(length_out)))
        return ctypes.string_at(bytes_out, length_out.value)

    def find(self, token):
        """The id of one token.
        token: its bytes (" the"), or else its spelling in tokenizer.json ("Ġthe").
        Returns id: the id.
        Status: FST_OK, FST_ERR_NOT_FOUND or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        token = _text(token)
        id_out = ctypes.c_int32()
        _check(_fst_tokenizer_find(self._pointer(), token, ctypes.byref(id_out)))
        return id_out.value

    def special_id(self, role):
        """The id of a token with a role. Where tokenizer_config.json did not say, the role is found by
            the usual names (e.g. <|endoftext|>, </s>, [PAD]) among the special tokens.
        role: FST_TOKEN_ value.
        Returns id: the id; -1: none.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        id_out = ctypes.c_int32()
        _check(_fst_tokenizer_special_id(self._pointer(), _index(role), ctypes.byref(id_out)))
        return id_out.value

    def set_special_id(self, role, id):
        """Gives a role to a token.
        role: FST_TOKEN_ value other than FST_TOKEN_UNKNOWN, which belongs to the model.
        id: a token; -1: none.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        return _check(_fst_tokenizer_set_special_id(self._pointer(), _index(role), _index(id)))

    def add_tokens(self, tokens, options=None, **fields):
        """Adds tokens that are found in a text before it is split. A text that is a token already
            keeps its id; others get the ids from the vocabulary size on. On an error nothing is
            added.
        tokens: count texts, UTF-8, not empty.
        options: NULL for defaults; they hold for all of the texts.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT or FST_ERR_NO_MEMORY.
        Since 0.1
        """
        tokens_c, tokens_lengths, tokens_count = _texts(tokens)
        options = _filled(AddedTokenOptions, options, fields)
        return _check(_fst_tokenizer_add_tokens(self._pointer(), tokens_c, tokens_count,
                _reference(options)))

    def token_flags(self):
        """What whole-word masking asks of each id of a vocabulary, as FST_TOKEN_ bits.
        WordPiece: "##…" continues a word. Byte-level BPE: what begins with white space, with ASCII
            punctuation or with a character of Chinese or Japanese begins a word, all else continues
            one; white space and punctuation at the end end it. Characters and whole words: each is
            a word.
        Returns flags: [capacity] of ids 0 … count − 1; may be NULL where capacity is 0.
        Status: FST_OK; FST_ERR_BUFFER_TOO_SMALL with *count set and nothing written;
            FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        _capacity = 256
        _count = ctypes.c_size_t()
        while True:
            flags_out = numpy.empty(_capacity, 'uint8')
            _status = _fst_tokenizer_token_flags(self._pointer(), _address(flags_out), _capacity,
                    ctypes.byref(_count))
            if _status != ERR_BUFFER_TOO_SMALL:
                break
            _capacity = _count.value
        _check(_status)
        return flags_out[:_count.value]


class Dataset(Handle):
    """Examples of one kind.
    Since 0.1
    """
    _destroy_ = "fst_dataset_destroy"

    @staticmethod
    def from_text_files(context, tokenizer, paths, options=None, **fields):
        """Tokenises text files in UTF-8; a byte order mark at the start is dropped.
        context: the context.
        tokenizer: used during the call only.
        paths: [count] files, read in this order.
        options: NULL for defaults.
        Returns dataset: the caller owns it.
        Status: FST_OK; FST_ERR_IO, FST_ERR_NOT_FOUND; FST_ERR_FORMAT with file and byte for text
            that is not UTF-8; FST_ERR_INVALID_ARGUMENT also for files without any document.
        Since 0.1
        """
        paths_c, paths_lengths, paths_count = _texts(paths)
        options = _filled(DatasetTextOptions, options, fields)
        dataset_out = ctypes.c_void_p()
        _keep = (context, tokenizer, paths_c, options,)
        _check(_fst_dataset_from_text_files(_handle(Context, context), _handle(Tokenizer,
                tokenizer), paths_c, paths_count, _reference(options), ctypes.byref(dataset_out)))
        return Dataset._adopt(dataset_out.value, _keep)

    @staticmethod
    def from_jsonl_files(context, tokenizer, paths, options=None, **fields):
        """As fst_dataset_from_text_files, from files with one JSON object a line; the member
            options.field of each is a document. Empty lines are passed over. FST_ERR_FORMAT names
            file and line.
        context: the context.
        tokenizer: used during the call only.
        paths: [count] files, read in this order.
        options: NULL for defaults.
        Returns dataset: the caller owns it.
        Since 0.1
        """
        paths_c, paths_lengths, paths_count = _texts(paths)
        options = _filled(DatasetTextOptions, options, fields)
        dataset_out = ctypes.c_void_p()
        _keep = (context, tokenizer, paths_c, options,)
        _check(_fst_dataset_from_jsonl_files(_handle(Context, context), _handle(Tokenizer,
                tokenizer), paths_c, paths_count, _reference(options), ctypes.byref(dataset_out)))
        return Dataset._adopt(dataset_out.value, _keep)

    @staticmethod
    def from_texts(context, tokenizer, texts, options=None, **fields):
        """Tokenises texts in memory, a document each.
        context: the context.
        tokenizer: used during the call only.
        texts: [count], UTF-8; not kept.
        options: NULL for defaults.
        Returns dataset: the caller owns it.
        Status: as fst_dataset_from_text_files.
        Since 0.1
        """
        texts_c, texts_lengths, texts_count = _texts(texts)
        options = _filled(DatasetTextOptions, options, fields)
        dataset_out = ctypes.c_void_p()
        _keep = (context, tokenizer, texts_c, options,)
        _check(_fst_dataset_from_texts(_handle(Context, context), _handle(Tokenizer, tokenizer),
                texts_c, texts_lengths, texts_count, _reference(options),
                ctypes.byref(dataset_out)))
        return Dataset._adopt(dataset_out.value, _keep)

    def split(self, options=None, **fields):
        """Splits documents (not rows) in two. A dataset of examples is split by whole examples:
            FST_SPLIT_TAIL takes the last ones, FST_SPLIT_DOCUMENTS draws by the ids of all their
            sequences.
        options: NULL for defaults.
        Returns train: the caller owns it.
        Returns validation: the caller owns it.
        Status: FST_OK; FST_ERR_INVALID_ARGUMENT also where one side would be empty; FST_ERR_STATE
            for a packed dataset.
        Since 0.1
        """
        options = _filled(SplitOptions, options, fields)
        train_out = ctypes.c_void_p()
        validation_out = ctypes.c_void_p()
        _keep = (self, options,)
        _check(_fst_dataset_split(self._pointer(), _reference(options), ctypes.byref(train_out),
                ctypes.byref(validation_out)))
        return Dataset._adopt(train_out.value, _keep), Dataset._adopt(validation_out.value, _keep)

    def pack(self, options=None, **fields):
        """Plans rows of equal length over a dataset. Of datasets of examples, conversations can be
            packed: with FST_PACK_BEST_FIT and cross_documents 0, each at most `length` ids; options
            NULL means these two for them. Targets that are not trained on are FST_IGNORE.
        options: NULL for defaults.
        Returns packed: the caller owns it.
        Status: FST_OK; FST_ERR_INVALID_ARGUMENT also where there is not one target; FST_ERR_STATE
            for a dataset that is packed already.
        Since 0.1
        """
        options = _filled(PackOptions, options, fields)
        packed_out = ctypes.c_void_p()
        _keep = (self, options,)
        _check(_fst_dataset_pack(self._pointer(), _reference(options), ctypes.byref(packed_out)))
        return Dataset._adopt(packed_out.value, _keep)

    def read(self, position, rows, shuffle, ids, targets, positions, documents):
        """Reads rows of a packed dataset.
        position: rows read since the training began, ≥ 0: row i of the batch is row (position + i)
            mod R of epoch ⌊(position + i) / R⌋. Random windows have no epochs.
        rows: rows to read, at least 1.
        shuffle: 1: each epoch has an order of its own, drawn by the context's seed; 0: as they
            stand. Random windows are drawn either way.
        ids: [rows, length] out; may be NULL, as each of the arrays.
        targets: [rows, length] out: the id that follows, or FST_IGNORE.
        positions: [rows, length] out.
        documents: [rows, length] out, as fst_batch.documents. Padding is a document of its own.
        Status: FST_OK; FST_ERR_INVALID_ARGUMENT; FST_ERR_STATE for a dataset that is not packed.
        Since 0.1
        """
        ids = _output(ids, 'int32')
        targets = _output(targets, 'int32')
        positions = _output(positions, 'int32')
        documents = _output(documents, 'int32')
        return _check(_fst_dataset_read(self._pointer(), _index(position), _index(rows),
                _index(shuffle), _address(ids), _address(targets), _address(positions),
                _address(documents)))

    def read_words(self, position, rows, shuffle, words):
        """The words of the rows that fst_dataset_read reads, for fst_mask_options.words.
        position: as fst_dataset_read.
        rows: as fst_dataset_read.
        shuffle: as fst_dataset_read.
        words: [rows, length] out: number of each id's word within its row, from 0 on; each id is a
            word of its own where the dataset has no word_continues. -1 for padding.
        Status: as fst_dataset_read.
        Since 0.1
        """
        words = _output(words, 'int32')
        return _check(_fst_dataset_read_words(self._pointer(), _index(position), _index(rows),
                _index(shuffle), _address(words)))

    def get_info(self):
        """Returns info
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        info_out = DatasetInfo()
        object.__setattr__(info_out, 'status', _check(_fst_dataset_get_info(self._pointer(),
                ctypes.byref(info_out), ctypes.sizeof(info_out))))
        return info_out

    def get_document(self, index):
        """Copies one document's ids.
        index: 0 ≤ index < documents.
        Returns ids: [capacity] may be NULL if capacity is 0.
        Status: FST_OK; FST_ERR_BUFFER_TOO_SMALL; FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        _capacity = 256
        _count = ctypes.c_int64()
        while True:
            ids_out = numpy.empty(_capacity, 'int32')
            _status = _fst_dataset_get_document(self._pointer(), _index(index), _address(ids_out),
                    _capacity, ctypes.byref(_count))
            if _status != ERR_BUFFER_TOO_SMALL:
                break
            _capacity = _count.value
        _check(_status)
        return ids_out[:_count.value]

    @staticmethod
    def load_examples(context, tokenizer, paths, options=None, **fields):
        """Reads files of records. The layouts known without naming a field:
        {"messages": [{"role", "content"}, …]} conversations {"conversations": [{"from", "value"},
            …]} as ShareGPT {"prompt", "completion"} {"instruction", "input", "output"} as Alpaca;
            output may be a list, best first {"prompt", "chosen", "rejected"} preferences; the three
            may be lists of messages {"instruction", "input", "chosen", "rejected"} {"chosen",
            "rejected"} transcripts "\\n\\nHuman: …\\n\\nAssistant: …" {"text", "label"} labelled
            {"anchor", "positive", "negative"} pairs; also {"sentence1", "sentence2"}, and as
            {"sent0", "sent1", "hard_neg"} SimCSE's files have it; the negative may be missing
        Each kind takes from a layout what it needs: prompts leave the answers away, conversations
            take the best of several answers.
        context: the context.
        tokenizer: used during the call only.
        paths: [count] files, read in this order.
        options: NULL for defaults.
        Returns dataset: the caller owns it.
        Status: FST_OK; FST_ERR_IO, FST_ERR_NOT_FOUND; FST_ERR_FORMAT with file and line or record;
            FST_ERR_UNSUPPORTED for .gz where the library was built without zlib;
            FST_ERR_INVALID_ARGUMENT, also where not one example is left.
        Since 0.1
        """
        paths_c, paths_lengths, paths_count = _texts(paths)
        options = _filled(ExampleOptions, options, fields)
        dataset_out = ctypes.c_void_p()
        _keep = (context, tokenizer, paths_c, options,)
        _check(_fst_dataset_load_examples(_handle(Context, context), _handle(Tokenizer, tokenizer),
                paths_c, paths_count, _reference(options), ctypes.byref(dataset_out)))
        return Dataset._adopt(dataset_out.value, _keep)

    @staticmethod
    def from_pairs(context, tokenizer, anchors, positives, negatives, labels, examples,
            options=None, **fields):
        """Makes pairs, or triplets, from memory: of each example the texts as they are, each a
            sequence of its own. What is too long is cut each for itself.
        context: the context.
        tokenizer: used during the call only.
        anchors: [examples] UTF-8; not kept.
        positives: [examples] what belongs to each anchor, or is compared with it.
        negatives: [examples] what resembles the anchor and does not belong to it; NULL: none.
        labels: [examples, options.label_count] for example how alike the two are; finite, or NaN:
            missing; label_count 0: one label each. NULL: no labels.
        examples: at least 1.
        options: NULL for defaults; what is about files is not looked at.
        Returns dataset: the caller owns it.
        Status: as fst_dataset_from_conversations.
        Since 0.1
        """
        anchors_c, anchors_lengths, anchors_count = _texts(anchors)
        positives_c, positives_lengths, positives_count = _texts(positives)
        negatives_c, negatives_lengths, negatives_count = _texts(negatives)
        labels = _input(labels, 'float32')
        options = _filled(ExampleOptions, options, fields)
        dataset_out = ctypes.c_void_p()
        _keep = (context, tokenizer, anchors_c, positives_c, negatives_c, labels, options,)
        _check(_fst_dataset_from_pairs(_handle(Context, context), _handle(Tokenizer, tokenizer),
                anchors_c, positives_c, negatives_c, _address(labels), _index(examples),
                _reference(options), ctypes.byref(dataset_out)))
        return Dataset._adopt(dataset_out.value, _keep)

    def get_examples_info(self):
        """Returns info
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT, or FST_ERR_STATE for a dataset of plain documents.
        Since 0.1
        """
        info_out = ExamplesInfo()
        object.__setattr__(info_out, 'status',
                _check(_fst_dataset_get_examples_info(self._pointer(), ctypes.byref(info_out),
                ctypes.sizeof(info_out))))
        return info_out

    def select(self, indices):
        """A dataset of some of another's examples, which shares what they are made of.
        indices: [count] examples, in the order that the new one has them, as often as wanted.
        Returns selected: the caller owns it.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT naming the entry, FST_ERR_STATE or
            FST_ERR_NO_MEMORY.
        Since 0.1
        """
        indices = _input(indices, 'int64')
        selected_out = ctypes.c_void_p()
        _keep = (self, indices,)
        _check(_fst_dataset_select(self._pointer(), _address(indices),
                0 if indices is None else indices.size, ctypes.byref(selected_out)))
        return Dataset._adopt(selected_out.value, _keep)

    def read_labels(self, indices, labels):
        """Copies the labels of examples.
        indices: [count] examples, as often as wanted.
        labels: an array of [count, label_count], overwritten; NaN: missing.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT naming the entry; FST_ERR_STATE for data without
            labels.
        Since 0.1
        """
        indices = _input(indices, 'int64')
        labels = _output(labels, 'float32')
        return _check(_fst_dataset_read_labels(self._pointer(), _address(indices),
                0 if indices is None else indices.size, _address(labels)))

    def collate_types(self, examples, sequences, rows, length, types):
        """The token types of the rows that fst_dataset_collate makes, for fst_batch.token_types: 0,
            and 1 for the second of two texts (fst_example.second_begin).
        examples: [rows] indices.
        sequences: [rows] which sequence of each; NULL: the first.
        rows: at least 1.
        length: at least the longest of those sequences.
        types: [rows, length] out; 0 behind a sequence's end.
        Status: as fst_dataset_collate.
        Since 0.1
        """
        examples = _input(examples, 'int64')
        sequences = _input(sequences, 'int64')
        types = _output(types, 'int32')
        return _check(_fst_dataset_collate_types(self._pointer(), _address(examples),
                _address(sequences), _index(rows), _index(length), _address(types)))

    @staticmethod
    def from_images(context, pixels, images, channels, height, width, labels=None, per_image=0,
            options=None, **fields):
        """Makes a dataset of images that the caller has.
        context: the context.
        pixels: an array of count images of [channels, height, width] numbers of options.type.
        images: at least 1.
        channels: 1 or 3.
        height: 1 … 32768.
        width: 1 … 32768.
        labels: [images, per_image] finite, or NaN: missing; copied; NULL: none.
        per_image: labels of an image, at least 1; not read when labels is NULL.
        options: NULL for defaults.
        Returns dataset: the caller owns it.
        Status: FST_OK; FST_ERR_INVALID_ARGUMENT, with the index of the first number refused;
            FST_ERR_NO_MEMORY.
        Since 0.1
        """
        pixels = _input(pixels, None)
        labels = _input(labels, 'float32')
        options = _filled(ImageOptions, options, fields)
        dataset_out = ctypes.c_void_p()
        _keep = (context, pixels, labels, options,)
        _check(_fst_dataset_from_images(_handle(Context, context), _address(pixels), _index(images),
                _index(channels), _index(height), _index(width), _address(labels),
                _index(per_image), _reference(options), ctypes.byref(dataset_out)))
        return Dataset._adopt(dataset_out.value, _keep)

    @staticmethod
    def load_idx(context, images, labels=None, options=None, **fields):
        """Reads images and labels from IDX files, the format of MNIST; packed by gzip where the name
            ends in ".gz". Images: bytes [count, height, width] or [count, channels, height, width],
            or floats. Labels: whole numbers [count], or floats [count] or [count, label_count].
        context: the context.
        images: the file of the images.
        labels: the file of the labels; NULL: none.
        options: NULL for defaults.
        Returns dataset: the caller owns it.
        Status: FST_OK; FST_ERR_IO, FST_ERR_NOT_FOUND; FST_ERR_FORMAT with file and byte, also where
            both files do not count the same; FST_ERR_UNSUPPORTED for .gz where the library was
            built without zlib; FST_ERR_INVALID_ARGUMENT; FST_ERR_NO_MEMORY.
        Since 0.1
        """
        images = _text(images)
        labels = _text(labels)
        options = _filled(ImageOptions, options, fields)
        dataset_out = ctypes.c_void_p()
        _keep = (context, options,)
        _check(_fst_dataset_load_idx(_handle(Context, context), images, labels, _reference(options),
                ctypes.byref(dataset_out)))
        return Dataset._adopt(dataset_out.value, _keep)

    @staticmethod
    def load_image_folder(context, folder, options=None, **fields):
        """Reads PNG files from a folder with a folder for each class. Classes are numbered by their
            names in the order of bytes, images of a class stand by theirs; both pass over names
            that begin with a dot. A folder that has PNG files and no folders gives images without
            labels. Pixels become grey or colours of 8 bits; where a file has transparency, it is
            left away.
        context: the context.
        folder: the folder.
        options: NULL for defaults.
        Returns dataset: the caller owns it.
        Status: FST_OK; FST_ERR_IO, FST_ERR_NOT_FOUND; FST_ERR_FORMAT with the file, also for one of
            another size than the first where height is 0; FST_ERR_UNSUPPORTED where the library was
            built without libspng; FST_ERR_INVALID_ARGUMENT, also where there is not one image;
            FST_ERR_NO_MEMORY.
        Since 0.1
        """
        folder = _text(folder)
        options = _filled(ImageOptions, options, fields)
        dataset_out = ctypes.c_void_p()
        _keep = (context, options,)
        _check(_fst_dataset_load_image_folder(_handle(Context, context), folder,
                _reference(options), ctypes.byref(dataset_out)))
        return Dataset._adopt(dataset_out.value, _keep)

    def get_images_info(self):
        """Returns info
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT, or FST_ERR_STATE for a dataset of another kind.
        Since 0.1
        """
        info_out = ImagesInfo()
        object.__setattr__(info_out, 'status', _check(_fst_dataset_get_images_info(self._pointer(),
                ctypes.byref(info_out), ctypes.sizeof(info_out))))
        return info_out

    def get_class_name(self, index):
        """index: 0 ≤ index < classes of fst_images_info.
        Returns name: borrowed while the dataset lives.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT or FST_ERR_STATE.
        Since 0.1
        """
        name_out = ctypes.c_char_p()
        _check(_fst_dataset_get_class_name(self._pointer(), _index(index), ctypes.byref(name_out)))
        return _to_text(name_out.value)

    def measure_images(self, mean, std):
        """Mean and standard deviation (of all values, not of a sample) of each channel over the whole
            dataset, on the scale from 0 to 1 and before fst_image_options.mean and std.
        mean: [channels] overwritten.
        std: [channels] overwritten.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_STATE or FST_ERR_NO_MEMORY.
        Since 0.1
        """
        mean = _output(mean, 'float64')
        std = _output(std, 'float64')
        return _check(_fst_dataset_measure_images(self._pointer(), _address(mean), _address(std)))

    def read_images(self, indices, augment, draw, images):
        """Reads images, augmented or not, on the threads of the dataset's context. What image i of the
            call looks like is a function of the context's seed, draw + i, the options and the
            image, whatever the number of threads.
        indices: [count] images, in any order and as often as wanted.
        augment: NULL: nothing but mean and std of fst_image_options.
        draw: number of the first image's draws, ≥ 0; a training has one for each image it reads.
        images: an array of [count, channels, height, width], overwritten; what fst_batch.images
            takes.
        Status: FST_OK; FST_ERR_INVALID_ARGUMENT, naming the entry or field; FST_ERR_STATE for a
            dataset of another kind; FST_ERR_NO_MEMORY.
        Since 0.1
        """
        indices = _input(indices, 'int64')
        augment = _filled(AugmentOptions, augment, {})
        images = _output(images, 'float32')
        return _check(_fst_dataset_read_images(self._pointer(), _address(indices),
                0 if indices is None else indices.size, _reference(augment), _index(draw),
                _address(images)))

    @staticmethod
    def from_words(context, tokenizer, words, tags, offsets, sentences, options=None, **fields):
        """Makes tagged sentences from memory.
        context: the context.
        tokenizer: used during the call only.
        words: [offsets[sentences]] UTF-8, none empty; copied.
        tags: [offsets[sentences]] names; NULL: none. An entry that is NULL: that word has no tag.
        offsets: [sentences + 1] sentence i is words offsets[i] … offsets[i + 1] − 1, at least one;
            offsets[0] = 0.
        sentences: at least 1.
        options: NULL for defaults; what is about files is not looked at.
        Returns dataset: the caller owns it.
        Status: FST_OK; FST_ERR_INVALID_ARGUMENT naming the sentence and word; FST_ERR_NOT_FOUND for
            add_bos and add_eos where the tokenizer has no such token, and for a word that it cannot
            encode; FST_ERR_MISMATCH for tags_of without tags; FST_ERR_NO_MEMORY.
        Since 0.1
        """
        words_c, words_lengths, words_count = _texts(words)
        tags_c, tags_lengths, tags_count = _texts(tags)
        offsets = _input(offsets, 'int64')
        options = _filled(WordOptions, options, fields)
        dataset_out = ctypes.c_void_p()
        _keep = (context, tokenizer, words_c, tags_c, offsets, options,)
        _check(_fst_dataset_from_words(_handle(Context, context), _handle(Tokenizer, tokenizer),
                words_c, tags_c, _address(offsets), _index(sentences), _reference(options),
                ctypes.byref(dataset_out)))
        return Dataset._adopt(dataset_out.value, _keep)

    @staticmethod
    def load_conll(context, tokenizer, paths, options=None, **fields):
        """Reads tagged sentences from files in the format of CoNLL's shared tasks: a word a line, its
            columns between tabs or spaces, the same number of them in all lines; a blank line ends
            a sentence. Lines with "-DOCSTART-" are passed over. Files may be packed (.gz) and begin
            with a byte order mark.
        context: the context.
        tokenizer: used during the call only.
        paths: [count] files, read one behind the other.
        options: NULL for defaults.
        Returns dataset: the caller owns it.
        Status: as fst_dataset_from_words; FST_ERR_NOT_FOUND or FST_ERR_IO for a file that cannot be
            read; FST_ERR_FORMAT naming file and line, also for a tag that is not among
            options.tags.
        Since 0.1
        """
        paths_c, paths_lengths, paths_count = _texts(paths)
        options = _filled(WordOptions, options, fields)
        dataset_out = ctypes.c_void_p()
        _keep = (context, tokenizer, paths_c, options,)
        _check(_fst_dataset_load_conll(_handle(Context, context), _handle(Tokenizer, tokenizer),
                paths_c, paths_count, _reference(options), ctypes.byref(dataset_out)))
        return Dataset._adopt(dataset_out.value, _keep)

    def get_words_info(self):
        """Returns info
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT, or FST_ERR_STATE for a dataset of another kind.
        Since 0.1
        """
        info_out = WordsInfo()
        object.__setattr__(info_out, 'status', _check(_fst_dataset_get_words_info(self._pointer(),
                ctypes.byref(info_out), ctypes.sizeof(info_out))))
        return info_out

    def get_tag(self, index):
        """A class's name.
        index: 0 ≤ index < tags.
        Returns name: borrowed while the dataset or one split from it lives.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT or FST_ERR_STATE.
        Since 0.1
        """
        name_out = ctypes.c_char_p()
        _check(_fst_dataset_get_tag(self._pointer(), _index(index), ctypes.byref(name_out)))
        return _to_text(name_out.value)

    def get_word(self, index):
        """index: 0 ≤ index < words, as they were read.
        Returns word
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT or FST_ERR_STATE.
        Since 0.1
        """
        word_out = Word()
        object.__setattr__(word_out, 'status', _check(_fst_dataset_get_word(self._pointer(),
                _index(index), ctypes.byref(word_out), ctypes.sizeof(word_out))))
        return word_out

    def get_word_example(self, index):
        """index: 0 ≤ index < examples.
        Returns example
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT or FST_ERR_STATE.
        Since 0.1
        """
        example_out = WordExample()
        object.__setattr__(example_out, 'status',
                _check(_fst_dataset_get_word_example(self._pointer(), _index(index),
                ctypes.byref(example_out), ctypes.sizeof(example_out))))
        return example_out


class Model(Handle):
    """A backbone, its heads, weights and gradients.
    Since 0.1
    """
    _destroy_ = "fst_model_destroy"

    def add_adapter(self, options=None, **fields):
        """Freezes the weights of the trunk (heads stay as they are) and adds, for each layer L and
            module, the parameters "layers.L.MODULE.lora_A" [r, in], "layers.L.MODULE.lora_B" [out,
            r] and, for DoRA, "layers.L.MODULE.lora_magnitude" [out]. A is uniform in ±1/√in, as
            PEFT draws it, from the context's seed; B is 0 and the magnitude the norm of W's rows,
            so the model computes what it did before, bit for bit. Frozen weights cost no gradient
            memory and no products in backward.
        options: NULL for defaults.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT (the text names the field), FST_ERR_STATE (there is
            an adapter, or an optimizer of the model lives), FST_ERR_NO_MEMORY.
        Since 0.1
        """
        options = _filled(AdapterOptions, options, fields)
        return _check(_fst_model_add_adapter(self._pointer(), _reference(options)))

    def get_adapter(self):
        """What the model's adapter was made with; `modules` lists those that are adapted.
        Returns options: `modules` is borrowed until the adapter goes.
        Status: FST_OK, FST_ERR_NOT_FOUND (there is none), FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        options_out = AdapterOptions()
        object.__setattr__(options_out, 'status', _check(_fst_model_get_adapter(self._pointer(),
                ctypes.byref(options_out), ctypes.sizeof(options_out))))
        return options_out

    def enable_adapter(self, enabled):
        """Switches the adapter off and on, for training, evaluation and generation. Off, the model
            computes what its trunk alone does, bit for bit: the reference of reinforcement
            learning. A forward that awaits its backward is forgotten.
        enabled: 0 or 1.
        Status: FST_OK, FST_ERR_NOT_FOUND (there is none), FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        return _check(_fst_model_enable_adapter(self._pointer(), _index(enabled)))

    def merge_adapter(self):
        """Puts the adapter into the weights, W ← W + s·B·A (DoRA: times m/‖W + s·B·A‖ by rows), and
            removes it; the trunk is trainable again.
        Status: FST_OK, FST_ERR_NOT_FOUND (there is none), FST_ERR_STATE (an optimizer of the model
            lives), FST_ERR_NO_MEMORY.
        Since 0.1
        """
        return _check(_fst_model_merge_adapter(self._pointer()))

    def remove_adapter(self):
        """Drops the adapter; the trunk is what it was and trainable again.
        Status: FST_OK, FST_ERR_NOT_FOUND (there is none), FST_ERR_STATE (an optimizer of the model
            lives).
        Since 0.1
        """
        return _check(_fst_model_remove_adapter(self._pointer()))

    def save_adapter(self, directory):
        """Saves a PEFT directory: adapter_config.json and adapter_model.safetensors (float32), which
            peft.PeftModel.from_pretrained loads over the directory of the trunk. fst_model_save
            writes the trunk alone. Files that exist are replaced whole or not at all.
        directory: created if missing (its parent must exist).
        Status: FST_OK, FST_ERR_NOT_FOUND (no adapter), FST_ERR_IO, FST_ERR_NO_MEMORY.
        Since 0.1
        """
        directory = _text(directory)
        return _check(_fst_model_save_adapter(self._pointer(), directory))

    def load_adapter(self, directory):
        """Adds the adapter of a PEFT directory: peft_type LORA with one rank for the same modules of
            every layer, plain, rsLoRA or DoRA. On failure the model is as it was.
        directory: path in the file system's own bytes.
        Status: FST_OK, FST_ERR_UNSUPPORTED (a setting that is not done here: the text names the
            field), FST_ERR_NOT_FOUND (a file or tensor is missing), FST_ERR_MISMATCH (a shape
            differs, or there is a tensor of another module), FST_ERR_IO, FST_ERR_FORMAT,
            FST_ERR_STATE (as fst_model_add_adapter), FST_ERR_NO_MEMORY.
        Since 0.1
        """
        directory = _text(directory)
        return _check(_fst_model_load_adapter(self._pointer(), directory))

    @staticmethod
    def create(context, config, options=None, **fields):
        """Creates a model with fresh weights, drawn from the context's seed as GPT-2 initialises.
        An MLP's parameters are "towers.T.layers.I.weight" [tower_width, inputs or tower_width] and
            ".bias", a CNN's "towers.T.convolutions.I.weight" [filters, side·side·channels], the
            channel fastest, "towers.T.linear.weight" [tower_width, places·64], likewise, and their
            biases. Both are float32 alone. A row's outputs of an MLP, and of its heads that are
            linear, have the same bits whatever the number of rows.
        context: kept alive by the model.
        config: the architecture.
        options: NULL for defaults.
        Returns model: the caller owns it.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT (the text names the field), FST_ERR_NO_MEMORY.
        Since 0.1
        """
        config = _filled(ModelConfig, config, {})
        options = _filled(ModelOptions, options, fields)
        model_out = ctypes.c_void_p()
        _keep = (context, config, options,)
        _check(_fst_model_create(_handle(Context, context), _reference(config), _reference(options),
                ctypes.byref(model_out)))
        return Model._adopt(model_out.value, _keep)

    def __init__(self, context, config, options=None, **fields):
        """As create."""
        made = Model.create(context, config, options=options, **fields)
        self._take(made._address, made._keep)
        made._owned = False

    @staticmethod
    def load(context, directory, options=None, **fields):
        """Loads a Hugging Face directory: config.json and model.safetensors, or shards with their
            index. GPT2LMHeadModel, LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM,
            Qwen3ForCausalLM; and of encoders BertModel, RobertaModel, XLMRobertaModel,
            ModernBertModel and their ForMaskedLM, ForSequenceClassification and
            ForTokenClassification, BertForPreTraining. A classifier is the head "classifier", with
            the labels of id2label; the next sentence's "seq_relationship". A pooler and a masked-LM
            head are there where the file has them. Other heads come from heads.safetensors, where
            fst_model_save wrote one. What modules.json of sentence-transformers says is kept for
            fst_model_get_sentence.
        context: kept alive by the model.
        directory: path in the file system's own bytes.
        options: NULL for defaults.
        Returns model: the caller owns it.
        Status: FST_OK, FST_ERR_IO, FST_ERR_FORMAT, FST_ERR_UNSUPPORTED (the text names the field),
            FST_ERR_NOT_FOUND (a tensor is missing), FST_ERR_MISMATCH (a shape differs),
            FST_ERR_NO_MEMORY.
        Since 0.1
        """
        directory = _text(directory)
        options = _filled(ModelOptions, options, fields)
        model_out = ctypes.c_void_p()
        _keep = (context, options,)
        _check(_fst_model_load(_handle(Context, context), directory, _reference(options),
                ctypes.byref(model_out)))
        return Model._adopt(model_out.value, _keep)

    def save(self, tokenizer, directory):
        """Saves a Hugging Face directory: config.json, model.safetensors (float32) and, if a tokenizer
            is given, tokenizer.json; heads go into a file of their own beside them,
            heads.safetensors: tensors by the parameters' names, and in the metadata under "heads" a
            JSON array of their options. Files that exist are replaced whole or not at all. An
            encoder is saved as the class that its heads make it, which transformers loads without a
            tensor missing or left over: with a head "classifier" as …ForTokenClassification where
            it is of kind FST_HEAD_TOKEN, as …ForSequenceClassification where it reads
            FST_POOL_POOLER (BERT), or the first token through one hidden layer of the model's width
            with FST_ACTIVATION_TANH (RoBERTa) or with a LayerNorm (ModernBERT, all its heads); else
            as …ForMaskedLM with head_transform; else as …Model. What that class lacks goes into
            heads.safetensors. Of a model that says how embeddings are made modules.json is written
            beside it, otherwise removed. Of a model with an adapter this is the trunk alone; see
            fst_model_save_adapter and fst_model_merge_adapter.
        tokenizer: NULL: none.
        directory: created if missing (its parent must exist).
        Status: FST_OK, FST_ERR_UNSUPPORTED (a switch that the family's class cannot have: the text
            names it), FST_ERR_IO, FST_ERR_NO_MEMORY.
        Since 0.1
        """
        directory = _text(directory)
        return _check(_fst_model_save(self._pointer(), _handle(Tokenizer, tokenizer), directory))

    def copy(self, options=None, **fields):
        """A copy that shares nothing with the model: its weights, heads and adapter, and what of them
            is frozen; not its gradients. A frozen reference, or the trunk of another stage.
        options: NULL for the model's own; another dtype is made from the float32 master weights.
        Returns copy: the caller owns it; of the same context.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NO_MEMORY.
        Since 0.1
        """
        options = _filled(ModelOptions, options, fields)
        copy_out = ctypes.c_void_p()
        _keep = (self, options,)
        _check(_fst_model_copy(self._pointer(), _reference(options), ctypes.byref(copy_out)))
        return Model._adopt(copy_out.value, _keep)

    def copy_weights(self, from_):
        """Overwrites all weights with those of another model of the same architecture, heads and
            adapter.
        from_: read; may be of another dtype.
        Status: FST_OK, FST_ERR_MISMATCH (the text names what differs; nothing has changed),
            FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        return _check(_fst_model_copy_weights(self._pointer(), _handle(Model, from_)))

    def get_config(self):
        """The architecture, with every default resolved.
        Returns config
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        config_out = ModelConfig()
        object.__setattr__(config_out, 'status', _check(_fst_model_get_config(self._pointer(),
                ctypes.byref(config_out), ctypes.sizeof(config_out))))
        return config_out

    def parameter_count(self):
        """Number of named parameters.
        Returns count
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        count_out = ctypes.c_int64()
        _check(_fst_model_parameter_count(self._pointer(), ctypes.byref(count_out)))
        return count_out.value

    def parameter_name(self, index):
        """Name of a parameter, e.g. "layers.0.attention.qkv.weight".
        index: 0 ≤ index < count.
        Returns name: borrowed while the model lives.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        name_out = ctypes.c_char_p()
        _check(_fst_model_parameter_name(self._pointer(), _index(index), ctypes.byref(name_out)))
        return _to_text(name_out.value)

    def parameter(self, name):
        """A parameter's master weights, float32; matrices are [out, in]. After writing through the
            view call fst_model_weights_changed.
        name: as fst_model_parameter_name gives it.
        Returns view: borrowed while the model lives.
        Status: FST_OK, FST_ERR_NOT_FOUND, FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        name = _text(name)
        view_view = View()
        _check(_fst_model_parameter(self._pointer(), name, ctypes.byref(view_view)))
        return _from_view(view_view, self)

    def gradient(self, name):
        """A parameter's gradient, float32, of the parameter's shape; backward adds to it. Memory for
            all gradients is taken at the first call of this, of backward, or of
            fst_optimizer_create.
        name: the parameter.
        Returns view: borrowed while the model lives and nothing is added to it, removed, frozen or
            thawed.
        Status: FST_OK, FST_ERR_NOT_FOUND, FST_ERR_STATE (the parameter is frozen),
            FST_ERR_NO_MEMORY, FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        name = _text(name)
        view_view = View()
        _check(_fst_model_gradient(self._pointer(), name, ctypes.byref(view_view)))
        return _from_view(view_view, self)

    def weights_changed(self):
        """Tells that weights were written through a view: refreshes the bfloat16 working copies.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        return _check(_fst_model_weights_changed(self._pointer()))

    def add_head(self, options=None, **fields):
        """Adds a head, an output of its name, with the parameters "heads.NAME.weight" [K, width] and
            "heads.NAME.bias" [K]. With hidden layers the weight is [K, hidden_size], and layer I =
            0, 1 has "heads.NAME.hidden.I.weight" [hidden_size, width or hidden_size] and ".bias",
            and with layer_norm "heads.NAME.norm.I.weight" and ".bias" [hidden_size]; with
            batch_norm these and ".running_mean" and ".running_var", and the latter two [K] for I =
            hidden_layers. Weights of hidden layers are drawn with init_std too, or with 0.02 where
            that is 0. Gradients gathered so far are dropped.
        options: the name is needed.
        Status: FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field); FST_ERR_STATE while an
            optimizer of the model lives; FST_ERR_NO_MEMORY.
        Since 0.1
        """
        options = _filled(HeadOptions, options, fields)
        return _check(_fst_model_add_head(self._pointer(), _reference(options)))

    def head_count(self):
        """Returns count: its heads.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        count_out = ctypes.c_int64()
        _check(_fst_model_head_count(self._pointer(), ctypes.byref(count_out)))
        return count_out.value

    def get_head(self, index):
        """A head's options.
        index: 0 ≤ index < count.
        Returns head: its name is borrowed while the model lives.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        head_out = HeadOptions()
        object.__setattr__(head_out, 'status', _check(_fst_model_get_head(self._pointer(),
                _index(index), ctypes.byref(head_out), ctypes.sizeof(head_out))))
        return head_out

    def set_labels(self, head, labels=None):
        """Names what a head's outputs stand for: classes, tags. They are saved with the model (as
            id2label in config.json where the directory's class has the head) and copied with it.
        head: its name.
        labels: [count] texts, no two the same; copied. NULL: none.
        Status: FST_OK, FST_ERR_NOT_FOUND (no such head), FST_ERR_INVALID_ARGUMENT,
            FST_ERR_NO_MEMORY.
        Since 0.1
        """
        head = _text(head)
        labels_c, labels_lengths, labels_count = _texts(labels)
        return _check(_fst_model_set_labels(self._pointer(), head, labels_c, labels_count))

    def get_label(self, head, index):
        """What an output of a head stands for.
        head: its name.
        index: 0 ≤ index < outputs.
        Returns label: borrowed until the labels change; NULL where the head has none.
        Status: FST_OK, FST_ERR_NOT_FOUND (no such head) or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        head = _text(head)
        label_out = ctypes.c_char_p()
        _check(_fst_model_get_label(self._pointer(), head, _index(index), ctypes.byref(label_out)))
        return _to_text(label_out.value)

    def get_sentence(self):
        """How the model's embeddings are made, as the sentence-transformers directory it came from
            says (modules.json, 1_Pooling/config.json, sentence_bert_config.json), or
            fst_model_set_sentence.
        Returns options
        Status: FST_OK, FST_ERR_NOT_FOUND (the model says nothing), FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        options_out = SentenceOptions()
        object.__setattr__(options_out, 'status', _check(_fst_model_get_sentence(self._pointer(),
                ctypes.byref(options_out), ctypes.sizeof(options_out))))
        return options_out

    def set_sentence(self, options=None, **fields):
        """Says how the model's embeddings are made; fst_model_save writes it as sentence-transformers
            does, copies of the model have it too.
        options: NULL: nothing is said.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT (the text names the field).
        Since 0.1
        """
        options = _filled(SentenceOptions, options, fields)
        return _check(_fst_model_set_sentence(self._pointer(), _reference(options)))

    def zero_gradients(self):
        """Sets all gradients to zero.
        Status: FST_OK, FST_ERR_NO_MEMORY or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        return _check(_fst_model_zero_gradients(self._pointer()))

    def set_trainable(self, pattern, trainable):
        """Freezes or thaws parameters. A frozen one has no gradient, and an optimizer made later
            leaves it alone; backward goes down no further than the lowest layer that has something
            to train. Ends what the model held for a backward and drops the gradients gathered so
            far.
        pattern: of names, in which * stands for any text and ? for one character: "layers.0.*".
        trainable: 1 or 0.
        Status: FST_OK, FST_ERR_NOT_FOUND (no name matches), FST_ERR_STATE (an optimizer of the
            model lives), FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        pattern = _text(pattern)
        return _check(_fst_model_set_trainable(self._pointer(), pattern, _index(trainable)))

    def reserve(self, rows, length, mode):
        """Plans and takes the memory of a step of this shape, so that steps of this shape or smaller
            ones allocate nothing.
        rows: sequences.
        length: positions of each.
        mode: FST_FORWARD_ value; training includes gradients.
        Returns bytes: bytes of activations and scratch; NULL: not wanted.
        Status: FST_OK, FST_ERR_NO_MEMORY, FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        bytes_out = ctypes.c_int64()
        _check(_fst_model_reserve(self._pointer(), _index(rows), _index(length), _index(mode),
                ctypes.byref(bytes_out)))
        return bytes_out.value

    def forward(self, batch, options=None, **fields):
        """Runs the backbone.
        batch: ids and, for a later fst_model_loss, targets; everything is copied.
        options: NULL for defaults.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT (an id ≥ vocabulary: the text names row and
            position), FST_ERR_NO_MEMORY.
        Since 0.1
        """
        batch = _filled(Batch, batch, {})
        options = _filled(ForwardOptions, options, fields)
        return _check(_fst_model_forward(self._pointer(), _reference(batch), _reference(options)))

    def output(self, name):
        """A named output of the last forward, float32, computed when asked for:
        - "hidden" [rows, length, width], after the last norm; - "logits" [rows, length,
            vocabulary]; - "log_probabilities" [rows, length]: log p of the batch's targets at the
            forward's temperature, 0 where ignored; and "entropy" [rows, length] of that
            distribution, likewise. Both come from one pass by row blocks that never holds all
            logits; asking for the second costs nothing more. The same batch gives the same bits in
            either mode, unless dropout is on; - "pooled" [rows, width], of a model with a pooler; -
            a head's name: [rows, outputs] of a sequence head, [rows, length, outputs] of a token
            head, [1, outputs] of a constant one.
        name: of the output.
        Returns view: borrowed until the next forward, or the next time this output is asked for;
            only before the forward's backward.
        Status: FST_OK, FST_ERR_NOT_FOUND, FST_ERR_STATE (no forward yet, or no targets for
            "log_probabilities"), FST_ERR_NUMERIC (a log-probability or entropy is not finite: the
            text names row and position), FST_ERR_NO_MEMORY.
        Since 0.1
        """
        name = _text(name)
        view_view = View()
        _check(_fst_model_output(self._pointer(), name, ctypes.byref(view_view)))
        return _from_view(view_view, self)

    def loss(self, options=None, **fields):
        """Cross entropy of the batch's targets, by row blocks that never hold all logits. After a
            training forward it also prepares the backward and adds the head's gradient.
        options: NULL for defaults.
        Returns loss
        Status: FST_OK, FST_ERR_STATE, FST_ERR_NUMERIC (the loss is not finite; no gradient was
            added beyond the head's), FST_ERR_INVALID_ARGUMENT, FST_ERR_NO_MEMORY.
        Since 0.1
        """
        options = _filled(LossOptions, options, fields)
        loss_out = Loss()
        object.__setattr__(loss_out, 'status', _check(_fst_model_loss(self._pointer(),
                _reference(options), ctypes.byref(loss_out), ctypes.sizeof(loss_out))))
        return loss_out

    def add_gradient(self, output, gradient):
        """Adds to what fst_model_backward will start from: the gradient of the caller's own objective
            with respect to an output. Any number of calls for any outputs, also beside
            fst_model_loss. For "log_probabilities" and "entropy" the head's product is done once
            more, by row blocks.
        output: as fst_model_output.
        gradient: float32, of the output's shape, any strides; copied.
        Status: FST_OK, FST_ERR_STATE, FST_ERR_MISMATCH, FST_ERR_NOT_FOUND, FST_ERR_NO_MEMORY.
        Since 0.1
        """
        output = _text(output)
        gradient_view = _to_view(gradient)
        return _check(_fst_model_add_gradient(self._pointer(), output, _reference(gradient_view)))

    def backward(self, output=None, gradient=None):
        """Adds the gradients of all parameters that are not frozen. Once per forward. It goes down no
            further than to the lowest layer that has something to train.
        output: NULL; or an output, which is fst_model_add_gradient and then this.
        gradient: with output: as fst_model_add_gradient; else NULL.
        Status: FST_OK, FST_ERR_STATE, FST_ERR_MISMATCH, FST_ERR_NOT_FOUND, FST_ERR_NO_MEMORY.
        Since 0.1
        """
        output = _text(output)
        gradient_view = _to_view(gradient)
        return _check(_fst_model_backward(self._pointer(), output, _reference(gradient_view)))

    def embed(self, dataset, options=None, **fields):
        """Embeds a dataset. Without dropout; memory is taken for the call.
        dataset: examples of any kind, not packed.
        options: NULL for defaults.
        Returns embeddings: [capacity] [examples, D], D the model's width or the head's outputs; may
            be NULL where capacity is 0.
        Status: FST_OK; FST_ERR_BUFFER_TOO_SMALL with count set, and nothing computed;
            FST_ERR_NOT_FOUND for a head that the model does not have; FST_ERR_MISMATCH where model
            and data do not fit each other; FST_ERR_STATE for data that is packed or has no
            examples; FST_ERR_NUMERIC for embeddings that are not finite; FST_ERR_NO_MEMORY;
            FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        options = _filled(EmbedOptions, options, fields)
        _capacity = 256
        _count = ctypes.c_int64()
        while True:
            embeddings_out = numpy.empty(_capacity, 'float32')
            _status = _fst_model_embed(self._pointer(), _handle(Dataset, dataset),
                    _reference(options), _address(embeddings_out), _capacity, ctypes.byref(_count))
            if _status != ERR_BUFFER_TOO_SMALL:
                break
            _capacity = _count.value
        _check(_status)
        return embeddings_out[:_count.value]


class Optimizer(Handle):
    """Parameter groups, moments, schedule, clipping.
    Since 0.1
    """
    _destroy_ = "fst_optimizer_destroy"

    @staticmethod
    def create(model, options=None, **fields):
        """Makes an optimizer for all parameters of a model that are not frozen at that moment. Its
            moments take 8 bytes per weight with AdamW, 4 with SGD's or LARS' momentum (0 without)
            and for Muon's matrices 4.
        model: kept alive by the optimizer.
        options: NULL for defaults.
        Returns optimizer: the caller owns it.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NO_MEMORY.
        Since 0.1
        """
        options = _filled(OptimizerOptions, options, fields)
        optimizer_out = ctypes.c_void_p()
        _keep = (model, options,)
        _check(_fst_optimizer_create(_handle(Model, model), _reference(options),
                ctypes.byref(optimizer_out)))
        return Optimizer._adopt(optimizer_out.value, _keep)

    def __init__(self, model, options=None, **fields):
        """As create."""
        made = Optimizer.create(model, options=options, **fields)
        self._take(made._address, made._keep)
        made._owned = False

    def step(self):
        """One update with the gradients that the model holds, at the schedule's rate.
        Returns report: may be NULL.
        Status: FST_OK; FST_ERR_NUMERIC where a gradient is not finite: the text names the
            parameter, and weights, moments, gradients and the step counter are as before.
        Since 0.1
        """
        report_out = OptimizerReport()
        object.__setattr__(report_out, 'status', _check(_fst_optimizer_step(self._pointer(),
                ctypes.byref(report_out), ctypes.sizeof(report_out))))
        return report_out

    def zero_gradients(self):
        """Sets the gradients of all the optimizer's parameters to zero.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        return _check(_fst_optimizer_zero_gradients(self._pointer()))

    def learning_rate(self, step):
        """The schedule's learning rate.
        step: updates done before, ≥ 0; negative: as many as were done.
        Returns learning_rate
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        learning_rate_out = ctypes.c_double()
        _check(_fst_optimizer_learning_rate(self._pointer(), _index(step),
                ctypes.byref(learning_rate_out)))
        return learning_rate_out.value


class Entities(Handle):
    """Counts entities in sequences of tags, true and predicted ones.
    Since 0.1
    """
    _destroy_ = "fst_entities_destroy"

    @staticmethod
    def create(context, tags, strict, scheme):
        """Makes a counter of entities. A tag is a letter, its prefix, and a type behind "-"; "O" is
            outside.
        context: the context; kept alive by the counter.
        tags: [tag_count] names of the classes, in UTF-8, none empty; copied.
        strict: 1: as the scheme demands; 0: as conlleval counts, for which the scheme is not read.
        scheme: FST_TAGS_ value.
        Returns entities: the caller owns it.
        Status: FST_OK; FST_ERR_INVALID_ARGUMENT naming the tag, also for one that is not of the
            scheme, and for FST_TAGS_AUTO where the tags do not tell it (seqeval's auto_detect);
            FST_ERR_NO_MEMORY.
        Since 0.1
        """
        tags_c, tags_lengths, tags_count = _texts(tags)
        entities_out = ctypes.c_void_p()
        _keep = (context, tags_c,)
        _check(_fst_entities_create(_handle(Context, context), tags_c, tags_count, _index(strict),
                _index(scheme), ctypes.byref(entities_out)))
        return Entities._adopt(entities_out.value, _keep)

    def __init__(self, context, tags, strict, scheme):
        """As create."""
        made = Entities.create(context, tags, strict, scheme)
        self._take(made._address, made._keep)
        made._owned = False

    def add(self, labels, predictions, offsets, sequences):
        """Counts some sequences more. An entity never goes from one sequence into the next.
        labels: [offsets[sequences]] the true class of each token; negative: the token is left out.
        predictions: [offsets[sequences]] the class it was taken for; negative: likewise.
        offsets: [sequences + 1] sequence i is tokens offsets[i] … offsets[i + 1] − 1; offsets[0] =
            0, never falling.
        sequences: at least 1.
        Status: FST_OK; FST_ERR_INVALID_ARGUMENT, naming the token, with nothing counted;
            FST_ERR_NO_MEMORY.
        Since 0.1
        """
        labels = _input(labels, 'int32')
        predictions = _input(predictions, 'int32')
        offsets = _input(offsets, 'int64')
        return _check(_fst_entities_add(self._pointer(), _address(labels), _address(predictions),
                _address(offsets), _index(sequences)))

    def clear(self):
        """Forgets what was counted.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        return _check(_fst_entities_clear(self._pointer()))

    def get_metrics(self):
        """Returns metrics
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        metrics_out = EntityMetrics()
        object.__setattr__(metrics_out, 'status', _check(_fst_entities_get_metrics(self._pointer(),
                ctypes.byref(metrics_out), ctypes.sizeof(metrics_out))))
        return metrics_out

    def get_type_count(self):
        """How many types the tags have.
        Returns count
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        count_out = ctypes.c_int64()
        _check(_fst_entities_get_type_count(self._pointer(), ctypes.byref(count_out)))
        return count_out.value

    def get_type(self, index):
        """index: 0 ≤ index < types; they are sorted by the bytes of their names.
        Returns type
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        type_out = EntityType()
        object.__setattr__(type_out, 'status', _check(_fst_entities_get_type(self._pointer(),
                _index(index), ctypes.byref(type_out), ctypes.sizeof(type_out))))
        return type_out

    def find(self, tags, tokens):
        """The entities of one sequence; nothing is counted.
        tags: [tokens] classes.
        tokens: at least 1.
        Returns types: [capacity] each entity's type, in the order of the sequence; may be NULL
            where capacity is 0, as the next two.
        Returns begins: [capacity] its first token.
        Returns ends: [capacity] the token behind its last.
        Status: FST_OK; FST_ERR_BUFFER_TOO_SMALL with count set; FST_ERR_INVALID_ARGUMENT naming the
            token.
        Since 0.1
        """
        tags = _input(tags, 'int32')
        _capacity = 256
        _count = ctypes.c_int64()
        while True:
            types_out = numpy.empty(_capacity, 'int32')
            begins_out = numpy.empty(_capacity, 'int64')
            ends_out = numpy.empty(_capacity, 'int64')
            _status = _fst_entities_find(self._pointer(), _address(tags), _index(tokens),
                    _address(types_out), _address(begins_out), _address(ends_out), _capacity,
                    ctypes.byref(_count))
            if _status != ERR_BUFFER_TOO_SMALL:
                break
            _capacity = _count.value
        _check(_status)
        return types_out[:_count.value], begins_out[:_count.value], ends_out[:_count.value]


class Policy(Handle):
    """A model that acts: samples tokens.
    Since 0.1
    """
    _destroy_ = "fst_policy_destroy"

    @staticmethod
    def create_control(context, options=None, **fields):
        """Makes a policy, with a model of fresh weights unless one is given.
        context: kept alive.
        options: the spaces are needed.
        Returns policy: the caller owns it; given up with fst_policy_destroy.
        Status: FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field); FST_ERR_UNSUPPORTED
            (actions of a Box of bytes, a model that reads text); FST_ERR_MISMATCH (the model does
            not read such observations, or a head has another number of outputs); FST_ERR_STATE (the
            model lacks a head and has an optimizer); FST_ERR_NO_MEMORY.
        Since 0.1
        """
        options = _filled(ControlPolicyOptions, options, fields)
        policy_out = ctypes.c_void_p()
        _keep = (context, options,)
        _check(_fst_policy_create_control(_handle(Context, context), _reference(options),
                ctypes.byref(policy_out)))
        return Policy._adopt(policy_out.value, _keep)

    def get_model(self):
        """The model under a policy, text's too: for an optimizer, a custom loop.
        Returns model: borrowed while the policy lives.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        model_out = ctypes.c_void_p()
        _keep = (self,)
        _check(_fst_policy_get_model(self._pointer(), ctypes.byref(model_out)))
        return Model._adopt(model_out.value, _keep, False)

    def observation_space(self):
        """The space of its observations.
        Returns space: its arrays are borrowed while the policy lives.
        Status: FST_OK, FST_ERR_STATE (a policy over text), FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        space_out = Space()
        object.__setattr__(space_out, 'status',
                _check(_fst_policy_observation_space(self._pointer(), ctypes.byref(space_out),
                ctypes.sizeof(space_out))))
        return space_out

    def action_space(self):
        """The space of its actions.
        Returns space: its arrays are borrowed while the policy lives.
        Status: FST_OK, FST_ERR_STATE (a policy over text), FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        space_out = Space()
        object.__setattr__(space_out, 'status', _check(_fst_policy_action_space(self._pointer(),
                ctypes.byref(space_out), ctypes.sizeof(space_out))))
        return space_out

    def evaluate(self, batch, log_probabilities=None, entropies=None, values=None):
        """What actions are worth now: a training forward, without dropout; observations are normalised
            with the present statistics. fst_policy_backward may follow, once.
        batch: observations and actions.
        log_probabilities: [count] written. NULL: not wanted.
        entropies: [count] of the distributions, written. NULL: not wanted.
        values: [count] written. NULL: not wanted.
        Status: as fst_policy_act; also for an action outside of its space or forbidden by its mask.
        Since 0.1
        """
        batch = _filled(ActionBatch, batch, {})
        log_probabilities = _output(log_probabilities, 'float32')
        entropies = _output(entropies, 'float32')
        _same_size(entropies, log_probabilities, 'entropies', 'log_probabilities')
        values = _output(values, 'float32')
        _same_size(values, log_probabilities, 'values', 'log_probabilities')
        return _check(_fst_policy_evaluate(self._pointer(), _reference(batch),
                _address(log_probabilities), _address(entropies), _address(values)))

    def backward(self, d_log_probabilities=None, d_entropies=None, d_values=None):
        """Adds to the model's gradients those of the caller's objective, from its gradients with
            respect to what the last fst_policy_evaluate gave.
        d_log_probabilities: [count]; NULL: 0.
        d_entropies: [count]; NULL: 0.
        d_values: [count]; NULL: 0.
        Status: FST_OK; FST_ERR_STATE (no fst_policy_evaluate before it, or the model did something
            else in between; a policy over text); FST_ERR_INVALID_ARGUMENT (all are NULL);
            FST_ERR_NO_MEMORY.
        Since 0.1
        """
        d_log_probabilities = _input(d_log_probabilities, 'float32')
        d_entropies = _input(d_entropies, 'float32')
        _same_size(d_entropies, d_log_probabilities, 'd_entropies', 'd_log_probabilities')
        d_values = _input(d_values, 'float32')
        _same_size(d_values, d_log_probabilities, 'd_values', 'd_log_probabilities')
        return _check(_fst_policy_backward(self._pointer(), _address(d_log_probabilities),
                _address(d_entropies), _address(d_values)))

    def update_normalizer(self, observations, count):
        """Takes observations into the running mean and variance (in parallel form: Chan, Golub and
            LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances",
            1979), in double. Before the first these are 0 and 1 with the weight of 1e-4
            observations, as in Stable-Baselines3. Nothing without normalize_observations.
        observations: [count] values of the observation space.
        count: ≥ 1.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT (a value that is not finite: the text names the
            row), FST_ERR_STATE (a policy over text).
        Since 0.1
        """
        observations = _input(observations, None)
        return _check(_fst_policy_update_normalizer(self._pointer(), _address(observations),
                _index(count)))

    def save(self, path):
        """Writes one safetensors file with all that acting needs: spaces, weights, statistics, and as
            JSON in its metadata under "policy" what the network is. A file that exists is replaced
            whole or not at all. Of a transformer's past nothing is written.
        path: in the file system's own bytes.
        Status: FST_OK, FST_ERR_STATE (a policy over text), FST_ERR_UNSUPPORTED (the model has an
            adapter: merge it), FST_ERR_IO, FST_ERR_NO_MEMORY, FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        path = _text(path)
        return _check(_fst_policy_save(self._pointer(), path))

    @staticmethod
    def load(context, path):
        """Reads what fst_policy_save wrote: a policy that acts with the same bits, over a model of its
            own, with no optimizer.
        context: kept alive.
        path: in the file system's own bytes.
        Returns policy: the caller owns it.
        Status: FST_OK; FST_ERR_NOT_FOUND (no file); FST_ERR_IO; FST_ERR_FORMAT (no file of ours, or
            a torn one; a tensor that is missing or of another shape: the text names it);
            FST_ERR_NO_MEMORY; FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        path = _text(path)
        policy_out = ctypes.c_void_p()
        _keep = (context,)
        _check(_fst_policy_load(_handle(Context, context), path, ctypes.byref(policy_out)))
        return Policy._adopt(policy_out.value, _keep)

    @staticmethod
    def create(model, tokenizer=None):
        """Makes a policy over a language model.
        model: kept alive by the policy; shared, not copied: it samples what the model is now.
        tokenizer: for text in and out, kept alive; NULL: ids only.
        Returns policy: the caller owns it.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_MISMATCH (the tokenizer has more ids than
            the model), FST_ERR_NO_MEMORY.
        Since 0.1
        """
        policy_out = ctypes.c_void_p()
        _keep = (model, tokenizer,)
        _check(_fst_policy_create(_handle(Model, model), _handle(Tokenizer, tokenizer),
                ctypes.byref(policy_out)))
        return Policy._adopt(policy_out.value, _keep)

    def __init__(self, model, tokenizer=None):
        """As create."""
        made = Policy.create(model, tokenizer=tokenizer)
        self._take(made._address, made._keep)
        made._owned = False

    def generate(self, prompts, callback=None, options=None, **fields):
        """Continues prompts of any lengths, all at once. Each sequence's tokens depend on its own
            prompt and seed alone (up to rounding), not on those beside it. Ends what the model held
            for a backward.
        prompts: [count] pointers to ids; each prompt has at least one.
        options: NULL for defaults.
        callback: called on this thread for every token; NULL: none.
        Status: FST_OK, FST_STOPPED, FST_ERR_INVALID_ARGUMENT (a prompt longer than the model's
            context: the text names it), FST_ERR_NUMERIC (the logits hold a NaN), FST_ERR_BUSY (from
            the callback), FST_ERR_NO_MEMORY, or what the callback returned.
        Since 0.1
        """
        prompts, prompts_c, prompts_lengths = _arrays(prompts, 'int32', 'int64')
        options = _filled(SamplingOptions, options, fields)
        callback_c = _thunk(_fst_token_callback, callback)
        with _guard(callback_c):
            return _check(_fst_policy_generate(self._pointer(), prompts_c,
                    _address(prompts_lengths), len(prompts), _reference(options), callback_c, None))

    def generate_text(self, texts, callback=None, options=None, **fields):
        """The same from text; an empty prompt begins with the model's or tokenizer's begin token (or
            its end token, as GPT-2 does).
        texts: [count] UTF-8.
        options: NULL for defaults.
        callback: may be NULL.
        Status: as fst_policy_generate; FST_ERR_STATE without a tokenizer.
        Since 0.1
        """
        texts_c, texts_lengths, texts_count = _texts(texts)
        options = _filled(SamplingOptions, options, fields)
        callback_c = _thunk(_fst_token_callback, callback)
        with _guard(callback_c):
            return _check(_fst_policy_generate_text(self._pointer(), texts_c, texts_lengths,
                    texts_count, _reference(options), callback_c, None))

    def get_result(self, sequence):
        """A result of the last generate.
        sequence: index of the prompt.
        Returns generation
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        generation_out = Generation()
        object.__setattr__(generation_out, 'status', _check(_fst_policy_get_result(self._pointer(),
                _index(sequence), ctypes.byref(generation_out), ctypes.sizeof(generation_out))))
        return generation_out


class RewardModel(Handle):
    """Anything that scores answers: a model with a score head, a callback, a rule, or a sum of these.
    Since 0.1
    """
    _destroy_ = "fst_reward_model_destroy"

    @staticmethod
    def from_callback(context, callback, options=None, **fields):
        """The caller's own function, called for a whole batch at a time.
        context: the context.
        callback: called by every score.
        options: NULL for defaults.
        Returns reward_model: the caller owns it. Where the call fails, release is not called.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NO_MEMORY.
        Since 0.1
        """
        callback_c = _thunk(_fst_reward_callback, callback)
        options = _filled(RewardCallbackOptions, options, fields)
        reward_model_out = ctypes.c_void_p()
        _keep = (context, callback_c, options,)
        with _guard(callback_c):
            _check(_fst_reward_model_from_callback(_handle(Context, context), callback_c, None,
                    _reference(options), ctypes.byref(reward_model_out)))
        return RewardModel._adopt(reward_model_out.value, _keep)

    @staticmethod
    def from_rule(context, options=None, **fields):
        """A rule.
        context: the context.
        options: which, and its numbers.
        Returns reward_model: the caller owns it.
        Status: FST_OK; FST_ERR_INVALID_ARGUMENT naming the field; FST_ERR_FORMAT for a pattern that
            is none, with the byte; FST_ERR_NO_MEMORY.
        Since 0.1
        """
        options = _filled(RewardRuleOptions, options, fields)
        reward_model_out = ctypes.c_void_p()
        _keep = (context, options,)
        _check(_fst_reward_model_from_rule(_handle(Context, context), _reference(options),
                ctypes.byref(reward_model_out)))
        return RewardModel._adopt(reward_model_out.value, _keep)

    @staticmethod
    def from_model(model, tokenizer=None, options=None, **fields):
        """A model with a score head. Prompt and answer are read one behind the other, as they are;
            where the batch has texts only they become a user's message and the answer to it.
            Scoring is without dropout, sorted by length; it ends what the model held for a
            backward.
        model: kept alive; shared, not copied: it scores as the model is now.
        tokenizer: for texts, kept alive; NULL: ids only.
        options: NULL for defaults.
        Returns reward_model: the caller owns it.
        Status: FST_OK; FST_ERR_NOT_FOUND where the model has no such head;
            FST_ERR_INVALID_ARGUMENT; FST_ERR_MISMATCH where the tokenizer has more ids than the
            model; FST_ERR_NO_MEMORY.
        Since 0.1
        """
        options = _filled(RewardHeadOptions, options, fields)
        reward_model_out = ctypes.c_void_p()
        _keep = (model, tokenizer, options,)
        _check(_fst_reward_model_from_model(_handle(Model, model), _handle(Tokenizer, tokenizer),
                _reference(options), ctypes.byref(reward_model_out)))
        return RewardModel._adopt(reward_model_out.value, _keep)

    @staticmethod
    def combine(context, members, weights=None, options=None, **fields):
        """A weighted sum of reward models, which may be sums themselves.
        context: that of all members.
        members: [count] kept alive; none may be twice in the sum, at whatever depth.
        weights: [count] finite; NULL: 1.
        options: NULL for defaults.
        Returns reward_model: the caller owns it.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_MISMATCH for a member of another context,
            FST_ERR_NO_MEMORY.
        Since 0.1
        """
        members_c = _handles(RewardModel, members)
        weights = _input(weights, 'float64')
        _room(weights, len(members_c), 'weights')
        options = _filled(RewardCombineOptions, options, fields)
        reward_model_out = ctypes.c_void_p()
        _keep = (context, members, weights, options,)
        _check(_fst_reward_model_combine(_handle(Context, context), members_c, _address(weights),
                len(members_c), _reference(options), ctypes.byref(reward_model_out)))
        return RewardModel._adopt(reward_model_out.value, _keep)

    def score(self, batch, scores):
        """Scores answers. The running statistics of a sum take the batch in; after a failure they are
            as before.
        batch: the answers.
        scores: [count] out.
        Status: FST_OK; FST_STOPPED where a callback asked for it; a callback's negative value;
            FST_ERR_INVALID_ARGUMENT naming what is missing or which answer does not fit;
            FST_ERR_NUMERIC for a score that is not finite, naming member and answer; FST_ERR_BUSY;
            FST_ERR_NO_MEMORY.
        Since 0.1
        """
        batch = _filled(RewardBatch, batch, {})
        scores = _output(scores, 'float32')
        with _guard(self):
            return _check(_fst_reward_model_score(self._pointer(), _reference(batch),
                    _address(scores)))

    def score_texts(self, prompts, responses, scores):
        """Scores texts.
        prompts: [count] UTF-8.
        responses: [count] UTF-8.
        scores: [count] out.
        Status: as fst_reward_model_score.
        Since 0.1
        """
        prompts_c, prompts_lengths, prompts_count = _texts(prompts)
        responses_c, responses_lengths, responses_count = _texts(responses)
        scores = _output(scores, 'float32')
        _room(scores, responses_count, 'scores')
        with _guard(self):
            return _check(_fst_reward_model_score_texts(self._pointer(), prompts_c, responses_c,
                    responses_count, _address(scores)))

    def score_ids(self, prompts, responses, scores):
        """Scores ids.
        prompts: [count] pointers to ids.
        responses: [count] pointers to ids.
        scores: [count] out.
        Status: as fst_reward_model_score.
        Since 0.1
        """
        prompts, prompts_c, prompts_lengths = _arrays(prompts, 'int32', 'int64')
        responses, responses_c, responses_lengths = _arrays(responses, 'int32', 'int64')
        _same_count(prompts, responses, 'prompts', 'responses')
        scores = _output(scores, 'float32')
        _room(scores, len(responses), 'scores')
        with _guard(self):
            return _check(_fst_reward_model_score_ids(self._pointer(), prompts_c,
                    _address(prompts_lengths), responses_c, _address(responses_lengths),
                    len(responses), _address(scores)))

    def member_count(self):
        """Members of a sum.
        Returns count: 0 for one that is no sum.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        count_out = ctypes.c_int64()
        with _guard(self):
            _check(_fst_reward_model_member_count(self._pointer(), ctypes.byref(count_out)))
        return count_out.value

    def member_scores(self, member):
        """What a member gave the answers scored last, before normalising, clipping and weighting.
        member: 0 ≤ member < its members.
        Returns scores: [capacity]; may be NULL where capacity is 0.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_BUFFER_TOO_SMALL.
        Since 0.1
        """
        _capacity = 256
        _count = ctypes.c_int64()
        while True:
            scores_out = numpy.empty(_capacity, 'float32')
            _status = _fst_reward_model_member_scores(self._pointer(), _index(member),
                    _address(scores_out), _capacity, ctypes.byref(_count))
            if _status != ERR_BUFFER_TOO_SMALL:
                break
            _capacity = _count.value
        _check(_status)
        return scores_out[:_count.value]

    def freeze(self, frozen):
        """Whether running statistics take scored answers in, here and in all members; at first they
            do.
        frozen: 1: they stay as they are; 0: they go on.
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT or FST_ERR_BUSY.
        Since 0.1
        """
        with _guard(self):
            return _check(_fst_reward_model_freeze(self._pointer(), _index(frozen)))


class Env(Handle):
    """A batch of environments, stepped together.
    Since 0.1
    """
    _destroy_ = "fst_env_destroy"

    @staticmethod
    def create(context, options=None, **fields):
        """A batch of the caller's own environments. No episode begins before fst_env_reset.
        context: kept alive.
        options: callbacks and spaces.
        Returns env: the caller owns it. Where the call fails, options.destroy is not called.
        Status: FST_OK; FST_ERR_INVALID_ARGUMENT naming the field; FST_ERR_NO_MEMORY.
        Since 0.1
        """
        options = _filled(EnvOptions, options, fields)
        env_out = ctypes.c_void_p()
        _keep = (context, options,)
        with _guard(options):
            _check(_fst_env_create(_handle(Context, context), _reference(options),
                    ctypes.byref(env_out)))
        return Env._adopt(env_out.value, _keep)

    def __init__(self, context, options=None, **fields):
        """As create."""
        made = Env.create(context, options=options, **fields)
        self._take(made._address, made._keep)
        made._owned = False

    @staticmethod
    def make(context, name, options=None, **fields):
        """A batch of built-in environments. No episode begins before fst_env_reset.
        context: kept alive; its threads step the batch.
        name: Gymnasium's, as "CartPole-v1"; see fst_env_builtin_name.
        options: NULL for defaults.
        Returns env: the caller owns it.
        Status: FST_OK; FST_ERR_NOT_FOUND for a name that is none, with those that are;
            FST_ERR_INVALID_ARGUMENT naming the field; FST_ERR_NO_MEMORY.
        Since 0.1
        """
        name = _text(name)
        options = _filled(EnvMakeOptions, options, fields)
        env_out = ctypes.c_void_p()
        _keep = (context, options,)
        _check(_fst_env_make(_handle(Context, context), name, _reference(options),
                ctypes.byref(env_out)))
        return Env._adopt(env_out.value, _keep)

    @staticmethod
    def builtin_count():
        """How many environments are built in.
        Returns count
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        count_out = ctypes.c_int64()
        _check(_fst_env_builtin_count(ctypes.byref(count_out)))
        return count_out.value

    @staticmethod
    def builtin_name(index):
        """A built-in environment.
        index: 0 ≤ index < fst_env_builtin_count.
        Returns name: static text.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        name_out = ctypes.c_char_p()
        _check(_fst_env_builtin_name(_index(index), ctypes.byref(name_out)))
        return _to_text(name_out.value)

    def get_info(self):
        """Returns info
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        info_out = EnvInfo()
        with _guard(self):
            object.__setattr__(info_out, 'status', _check(_fst_env_get_info(self._pointer(),
                    ctypes.byref(info_out), ctypes.sizeof(info_out))))
        return info_out

    def observation_space(self):
        """Returns space: its arrays are borrowed while the environment lives.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        space_out = Space()
        with _guard(self):
            object.__setattr__(space_out, 'status',
                    _check(_fst_env_observation_space(self._pointer(), ctypes.byref(space_out),
                    ctypes.sizeof(space_out))))
        return space_out

    def action_space(self):
        """Returns space: its arrays are borrowed while the environment lives.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        space_out = Space()
        with _guard(self):
            object.__setattr__(space_out, 'status', _check(_fst_env_action_space(self._pointer(),
                    ctypes.byref(space_out), ctypes.sizeof(space_out))))
        return space_out

    def reset(self, seed):
        """All environments begin their episode number 0.
        seed: 0 ≤ seed < 2^53.
        Status: FST_OK; FST_STOPPED or what a callback returned; FST_ERR_INVALID_ARGUMENT,
            FST_ERR_NUMERIC, FST_ERR_BUSY as told above.
        Since 0.1
        """
        with _guard(self):
            return _check(_fst_env_reset(self._pointer(), _index(seed)))

    def reset_some(self, indices):
        """Some begin their next episode; the present one, if it has not ended, is left.
        indices: [count] ascending.
        Status: as fst_env_reset; FST_ERR_STATE before it.
        Since 0.1
        """
        indices = _input(indices, 'int64')
        with _guard(self):
            return _check(_fst_env_reset_some(self._pointer(), _address(indices),
                    0 if indices is None else indices.size))

    def get_batch(self):
        """Returns batch
        Status: FST_OK, FST_ERR_INVALID_ARGUMENT or FST_ERR_STATE.
        Since 0.1
        """
        batch_out = EnvBatch()
        with _guard(self):
            object.__setattr__(batch_out, 'status', _check(_fst_env_get_batch(self._pointer(),
                    ctypes.byref(batch_out), ctypes.sizeof(batch_out))))
        return batch_out

    def render(self, index, format):
        """Draws an environment.
        index: which one.
        format: FST_RENDER_ value.
        Returns text: UTF-8, borrowed until the next call.
        Status: FST_OK; FST_ERR_UNSUPPORTED for callbacks without render; FST_ERR_STATE;
            FST_ERR_INVALID_ARGUMENT; what the callback returned; FST_ERR_NO_MEMORY.
        Since 0.1
        """
        text_out = ctypes.c_char_p()
        with _guard(self):
            _check(_fst_env_render(self._pointer(), _index(index), _index(format),
                    ctypes.byref(text_out)))
        return _to_text(text_out.value)


class Run(Handle):
    """One stage in progress.
    Since 0.1
    """
    _destroy_ = "fst_run_destroy"

    def step(self):
        """One step: one update of the weights, with the evaluation, saving and progress call due after
            it.
        Returns progress: may be NULL.
        Status: FST_OK; FST_STOPPED after fst_run_cancel or a callback's wish; a callback's negative
            value; FST_ERR_STATE when the run has finished; FST_ERR_NUMERIC when loss or gradient is
            not finite: the text names tensor and batch, and the run is as before the step;
            FST_ERR_IO when a checkpoint due could not be written: the step is done, the next call
            tries again; FST_ERR_NO_MEMORY; FST_ERR_BUSY.
        Since 0.1
        """
        progress_out = RunProgress()
        with _guard(self):
            object.__setattr__(progress_out, 'status', _check(_fst_run_step(self._pointer(),
                    ctypes.byref(progress_out), ctypes.sizeof(progress_out))))
        return progress_out

    def advance(self):
        """The smallest piece of a step: one micro-batch, forward and backward; with the last of a
            step, the update. For hosts that must return to their own loop often.
        Returns updated: 1 if a step was completed; may be NULL.
        Status: as fst_run_step.
        Since 0.1
        """
        updated_out = ctypes.c_int32()
        with _guard(self):
            _check(_fst_run_advance(self._pointer(), ctypes.byref(updated_out)))
        return updated_out.value

    def until(self, step):
        """Steps until so many steps are done in all, or the run finishes.
        step: ≤ 0: until the run finishes, which needs total_steps.
        Status: FST_OK also where nothing was left to do; otherwise as fst_run_step.
        Since 0.1
        """
        with _guard(self):
            return _check(_fst_run_until(self._pointer(), _index(step)))

    def evaluate(self):
        """Evaluates now. The result is read with fst_run_metric. It does not count for patience and
            the best.
        Status: FST_OK; FST_STOPPED after fst_run_cancel, with the metrics as before; FST_ERR_STATE
            for a run without validation data; FST_ERR_NUMERIC; FST_ERR_BUSY.
        Since 0.1
        """
        with _guard(self):
            return _check(_fst_run_evaluate(self._pointer()))

    def cancel(self):
        """Stops the verb that runs now, or the next one, with FST_STOPPED: at the next micro-batch, in
            a state that can be saved and gone on with. Safe in a signal handler.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        with _guard(self):
            return _check(_fst_run_cancel(self._pointer()))

    def metric(self, name):
        """A metric's present value. The names depend on the stage, see its create function and
            fst_run_metric_name.
        name: e.g. "loss".
        Returns value: NaN if it was not measured yet, also after fst_run_resume.
        Status: FST_OK, FST_ERR_NOT_FOUND, FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        name = _text(name)
        value_out = ctypes.c_double()
        with _guard(self):
            _check(_fst_run_metric(self._pointer(), name, ctypes.byref(value_out)))
        return value_out.value

    def metric_count(self):
        """Number of metrics.
        Returns count
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        count_out = ctypes.c_int64()
        with _guard(self):
            _check(_fst_run_metric_count(self._pointer(), ctypes.byref(count_out)))
        return count_out.value

    def metric_name(self, index):
        """Name of a metric.
        index: 0 ≤ index < count.
        Returns name: static text.
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        name_out = ctypes.c_char_p()
        with _guard(self):
            _check(_fst_run_metric_name(self._pointer(), _index(index), ctypes.byref(name_out)))
        return _to_text(name_out.value)

    def get_info(self):
        """Returns info
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        info_out = RunInfo()
        with _guard(self):
            object.__setattr__(info_out, 'status', _check(_fst_run_get_info(self._pointer(),
                    ctypes.byref(info_out), ctypes.sizeof(info_out))))
        return info_out

    def memory(self):
        """What the run will use at most; all of it is taken when the run is created, and a step takes
            no more.
        Returns memory
        Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
        Since 0.1
        """
        memory_out = Memory()
        with _guard(self):
            object.__setattr__(memory_out, 'status', _check(_fst_run_memory(self._pointer(),
                    ctypes.byref(memory_out), ctypes.sizeof(memory_out))))
        return memory_out

    def save(self, path=None):
        """Saves everything the run needs to go on: weights, moments, counters, position in the data,
            and in the middle of a step the gradients gathered so far. One safetensors file, written
            beside its name and renamed into place, so that what was there before stays until the
            new one is on the disk.
        path: the file; NULL: checkpoint-STEP.safetensors in the run's directory, where older ones
            than the newest `keep` are then removed.
        Status: FST_OK; FST_ERR_IO, with the earlier file untouched; FST_ERR_STATE for NULL in a run
            without a directory; FST_ERR_NO_MEMORY; FST_ERR_BUSY.
        Since 0.1
        """
        path = _text(path)
        with _guard(self):
            return _check(_fst_run_save(self._pointer(), path))

    def resume(self, path=None):
        """Puts the run, its model and its optimizer into the state that was saved. The run must have
            been made with the same model, data, optimizer, seed and batch; options that only tune
            (learning rate, schedule, total_steps) are the new run's own, and a difference is logged
            as a warning. So is a different provider or processor, with which the bits may differ.
        path: a file; or a folder: its newest good checkpoint-STEP.safetensors, passing over damaged
            ones with a warning; NULL: the run's directory.
        Status: FST_OK; FST_ERR_NOT_FOUND; FST_ERR_FORMAT for a file that is torn, lacks a part
            (named) or is none of ours; FST_ERR_MISMATCH for another run's (the text names what
            differs); FST_ERR_IO; FST_ERR_NO_MEMORY; FST_ERR_BUSY. The run is as before, unless
            reading failed in the middle of a file that had been checked: then only another
            fst_run_resume is allowed.
        Since 0.1
        """
        path = _text(path)
        with _guard(self):
            return _check(_fst_run_resume(self._pointer(), path))


def _space_get_bytes(self):
    """Checks a space.
    Returns bytes: of one value.
    Status: FST_OK, or FST_ERR_INVALID_ARGUMENT naming the field.
    Since 0.1
    """
    bytes_out = ctypes.c_int64()
    _check(_fst_space_get_bytes(ctypes.byref(self), ctypes.byref(bytes_out)))
    return bytes_out.value


Space.get_bytes = _space_get_bytes

def _space_get_choices(self):
    """Length of an action mask.
    Returns choices: n, or the sum of counts; 0 for Box and MultiBinary, which have no masks.
    Status: as fst_space_get_bytes.
    Since 0.1
    """
    choices_out = ctypes.c_int64()
    _check(_fst_space_get_choices(ctypes.byref(self), ctypes.byref(choices_out)))
    return choices_out.value


Space.get_choices = _space_get_choices

def _chat_template_preset(kind):
    """Fills a template with one of the known ones; its texts are static.
    kind: FST_CHAT_ value.
    Returns chat: the template.
    Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
    Since 0.1
    """
    chat_out = ChatTemplate()
    object.__setattr__(chat_out, 'status', _check(_fst_chat_template_preset(_index(kind),
            ctypes.byref(chat_out), ctypes.sizeof(chat_out))))
    return chat_out


ChatTemplate.preset = staticmethod(_chat_template_preset)

def _model_config_set_family(self, family):
    """Sets the switches (not the sizes) of a family, its backbone among them.
    family: FST_FAMILY_ value.
    Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
    Since 0.1
    """
    return _check(_fst_model_config_set_family(ctypes.byref(self), _index(family)))


ModelConfig.set_family = _model_config_set_family

def _loss_weights(mask, lengths, rows, columns, weights, options=None, **fields):
    """The weights that make Σ w·l the mean of the kind wanted.
    options: NULL for defaults.
    mask: [rows, columns] 1 where a token counts; NULL: all.
    lengths: [rows] only the first lengths[i] tokens of row i count; NULL: all.
    rows: sequences, ≥ 1.
    columns: ≥ 1.
    weights: [rows, columns] out, 0 where a token does not count.
    Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
    Since 0.1
    """
    options = _filled(LossWeightsOptions, options, fields)
    mask = _input(mask, 'uint8')
    lengths = _input(lengths, 'int64')
    weights = _output(weights, 'float32')
    return _check(_fst_loss_weights(_reference(options), _address(mask), _address(lengths),
            _index(rows), _index(columns), _address(weights)))


Loss.weights = staticmethod(_loss_weights)

def _loss_policy(log_probabilities, old_log_probabilities, advantages, weights=None, gradient=None,
        options=None, **fields):
    """PPO's clipped surrogate (Schulman et al., arXiv 1707.06347, equation 7), as a loss, with ranges
        of its own below and above (DAPO, arXiv 2503.14476, equation 8) and the dual clip for
        negative advantages (Ye et al., arXiv 1912.09729, equation 5). ρ = exp(log π − log π_old):
    l = max(−A·ρ, −A·clip(ρ, 1 − clip_low, 1 + clip_high)); where A < 0: l ← min(l, −A·dual_clip)
    With old NULL the policy's own log-probabilities stand for the old ones: ρ = 1, and the gradient
        is that of REINFORCE, −w·A.
    options: NULL for defaults.
    log_probabilities: [count] log π of the tokens or actions.
    old_log_probabilities: [count] of the policy that sampled them; NULL: the same.
    advantages: [count]
    weights: [count]; NULL: 1/count.
    gradient: [count]; NULL: not wanted.
    Returns result
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    options = _filled(PolicyLossOptions, options, fields)
    log_probabilities = _input(log_probabilities, 'float32')
    old_log_probabilities = _input(old_log_probabilities, 'float32')
    _same_size(old_log_probabilities, log_probabilities, 'old_log_probabilities',
            'log_probabilities')
    advantages = _input(advantages, 'float32')
    _same_size(advantages, log_probabilities, 'advantages', 'log_probabilities')
    weights = _input(weights, 'float32')
    _same_size(weights, log_probabilities, 'weights', 'log_probabilities')
    gradient = _output(gradient, 'float32')
    _same_size(gradient, log_probabilities, 'gradient', 'log_probabilities')
    result_out = PolicyLoss()
    object.__setattr__(result_out, 'status', _check(_fst_loss_policy(_reference(options),
            _address(log_probabilities), _address(old_log_probabilities), _address(advantages),
            _address(weights), 0 if log_probabilities is None else log_probabilities.size,
            _address(gradient), ctypes.byref(result_out), ctypes.sizeof(result_out))))
    return result_out


Loss.policy = staticmethod(_loss_policy)

def _loss_value(clip, values, old_values, returns, weights=None, gradient=None):
    """The clipped value loss of OpenAI's baselines and TRL:
    l = ½·max((V − R)², (clip(V, V_old − clip, V_old + clip) − R)²)
    clip: > 0; 0: l = ½·(V − R)².
    values: [count] V.
    old_values: [count] V_old, of the rollout; NULL only where clip is 0.
    returns: [count] R.
    weights: [count]; NULL: 1/count.
    gradient: [count]; NULL: not wanted.
    Returns result
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    values = _input(values, 'float32')
    old_values = _input(old_values, 'float32')
    _same_size(old_values, values, 'old_values', 'values')
    returns = _input(returns, 'float32')
    _same_size(returns, values, 'returns', 'values')
    weights = _input(weights, 'float32')
    _same_size(weights, values, 'weights', 'values')
    gradient = _output(gradient, 'float32')
    _same_size(gradient, values, 'gradient', 'values')
    result_out = ValueLoss()
    object.__setattr__(result_out, 'status', _check(_fst_loss_value(float(clip), _address(values),
            _address(old_values), _address(returns), _address(weights),
            0 if values is None else values.size, _address(gradient), ctypes.byref(result_out),
            ctypes.sizeof(result_out))))
    return result_out


Loss.value = staticmethod(_loss_value)

def _loss_kl(kind, log_probabilities, reference, weights=None, per_token=None, gradient=None):
    """Estimates of KL(π ‖ π_ref) from the log-probabilities of samples of π (Schulman, "Approximating
        KL divergence", 2020), as a penalty in the reward (per_token) or in the loss (gradient).
    kind: FST_KL_ value.
    log_probabilities: [count] log π.
    reference: [count] log π_ref.
    weights: [count]; NULL: 1/count.
    per_token: [count] each token's estimate, 0 where the weight is 0; NULL: not wanted.
    gradient: [count]; NULL: not wanted.
    Returns loss: Σ w·k.
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    log_probabilities = _input(log_probabilities, 'float32')
    reference = _input(reference, 'float32')
    _same_size(reference, log_probabilities, 'reference', 'log_probabilities')
    weights = _input(weights, 'float32')
    _same_size(weights, log_probabilities, 'weights', 'log_probabilities')
    per_token = _output(per_token, 'float32')
    _same_size(per_token, log_probabilities, 'per_token', 'log_probabilities')
    gradient = _output(gradient, 'float32')
    _same_size(gradient, log_probabilities, 'gradient', 'log_probabilities')
    loss_out = ctypes.c_double()
    _check(_fst_loss_kl(_index(kind), _address(log_probabilities), _address(reference),
            _address(weights), 0 if log_probabilities is None else log_probabilities.size,
            _address(per_token), _address(gradient), ctypes.byref(loss_out)))
    return loss_out.value


Loss.kl = staticmethod(_loss_kl)

def _loss_preference(chosen, rejected, reference_chosen=None, reference_rejected=None,
        chosen_lengths=None, rejected_lengths=None, weights=None, margins=None,
        chosen_gradient=None, rejected_gradient=None, options=None, **fields):
    """Preference losses over log-probabilities of whole answers. h = (chosen − reference_chosen) −
        (rejected − reference_rejected).
    options: NULL for defaults.
    chosen: [count] Σ log π of the chosen answers' tokens.
    rejected: [count] of the rejected answers.
    reference_chosen: [count] the same under the reference model; NULL: 0, no reference.
    reference_rejected: [count]; NULL only where reference_chosen is.
    chosen_lengths: [count] tokens of the chosen answers, ≥ 1, by which IPO divides; NULL: 1. Other
        kinds do not read it.
    rejected_lengths: [count] the same of the rejected; NULL: 1.
    weights: [count]; NULL: 1/count.
    margins: [count] each pair's β·h, 0 where the weight is 0; NULL: not wanted.
    chosen_gradient: [count] with respect to chosen; NULL: not wanted.
    rejected_gradient: [count] with respect to rejected; NULL: not wanted.
    Returns result
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    options = _filled(PreferenceLossOptions, options, fields)
    chosen = _input(chosen, 'float32')
    rejected = _input(rejected, 'float32')
    _same_size(rejected, chosen, 'rejected', 'chosen')
    reference_chosen = _input(reference_chosen, 'float32')
    _same_size(reference_chosen, chosen, 'reference_chosen', 'chosen')
    reference_rejected = _input(reference_rejected, 'float32')
    _same_size(reference_rejected, chosen, 'reference_rejected', 'chosen')
    chosen_lengths = _input(chosen_lengths, 'int64')
    _same_size(chosen_lengths, chosen, 'chosen_lengths', 'chosen')
    rejected_lengths = _input(rejected_lengths, 'int64')
    _same_size(rejected_lengths, chosen, 'rejected_lengths', 'chosen')
    weights = _input(weights, 'float32')
    _same_size(weights, chosen, 'weights', 'chosen')
    margins = _output(margins, 'float32')
    _same_size(margins, chosen, 'margins', 'chosen')
    chosen_gradient = _output(chosen_gradient, 'float32')
    _same_size(chosen_gradient, chosen, 'chosen_gradient', 'chosen')
    rejected_gradient = _output(rejected_gradient, 'float32')
    _same_size(rejected_gradient, chosen, 'rejected_gradient', 'chosen')
    result_out = PreferenceLoss()
    object.__setattr__(result_out, 'status', _check(_fst_loss_preference(_reference(options),
            _address(chosen), _address(rejected), _address(reference_chosen),
            _address(reference_rejected), _address(chosen_lengths), _address(rejected_lengths),
            _address(weights), 0 if chosen is None else chosen.size, _address(margins),
            _address(chosen_gradient), _address(rejected_gradient), ctypes.byref(result_out),
            ctypes.sizeof(result_out))))
    return result_out


Loss.preference = staticmethod(_loss_preference)

def _loss_kto(log_probabilities, reference, desirable, weights=None, gradient=None, options=None,
        **fields):
    """Kahneman–Tversky optimization (Ethayarajh et al., arXiv 2402.01306, equation 8). r = log π − log
        π_ref:
    desirable: λ_D·(1 − σ(β·(r − z₀))) undesirable: λ_U·(1 − σ(β·(z₀ − r)))
    options: NULL for defaults.
    log_probabilities: [count] Σ log π of the answers' tokens.
    reference: [count] the same under the reference model.
    desirable: [count] 1: desirable, 0: undesirable.
    weights: [count]; NULL: 1/count.
    gradient: [count]; NULL: not wanted.
    Returns result
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    options = _filled(KtoOptions, options, fields)
    log_probabilities = _input(log_probabilities, 'float32')
    reference = _input(reference, 'float32')
    _same_size(reference, log_probabilities, 'reference', 'log_probabilities')
    desirable = _input(desirable, 'uint8')
    _same_size(desirable, log_probabilities, 'desirable', 'log_probabilities')
    weights = _input(weights, 'float32')
    _same_size(weights, log_probabilities, 'weights', 'log_probabilities')
    gradient = _output(gradient, 'float32')
    _same_size(gradient, log_probabilities, 'gradient', 'log_probabilities')
    result_out = KtoLoss()
    object.__setattr__(result_out, 'status', _check(_fst_loss_kto(_reference(options),
            _address(log_probabilities), _address(reference), _address(desirable),
            _address(weights), 0 if log_probabilities is None else log_probabilities.size,
            _address(gradient), ctypes.byref(result_out), ctypes.sizeof(result_out))))
    return result_out


Loss.kto = staticmethod(_loss_kto)

def _loss_bradley_terry(centering, chosen, rejected, margins=None, weights=None,
        chosen_gradient=None, rejected_gradient=None):
    """Bradley–Terry with an optional margin (Llama 2, arXiv 2307.09288, equation 2) and an optional
        term that holds scores around 0 (Eisenstein et al., arXiv 2312.09244, as TRL's
        center_rewards_coefficient):
    l = −log σ(r₊ − r₋ − margin) + centering·(r₊ + r₋)²
    centering: ≥ 0; 0.01 is common.
    chosen: [count] r₊, scores of the better answers.
    rejected: [count] r₋, of the worse.
    margins: [count]; NULL: 0.
    weights: [count]; NULL: 1/count.
    chosen_gradient: [count] with respect to chosen; NULL: not wanted.
    rejected_gradient: [count] with respect to rejected; NULL: not wanted.
    Returns result
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    chosen = _input(chosen, 'float32')
    rejected = _input(rejected, 'float32')
    _same_size(rejected, chosen, 'rejected', 'chosen')
    margins = _input(margins, 'float32')
    _same_size(margins, chosen, 'margins', 'chosen')
    weights = _input(weights, 'float32')
    _same_size(weights, chosen, 'weights', 'chosen')
    chosen_gradient = _output(chosen_gradient, 'float32')
    _same_size(chosen_gradient, chosen, 'chosen_gradient', 'chosen')
    rejected_gradient = _output(rejected_gradient, 'float32')
    _same_size(rejected_gradient, chosen, 'rejected_gradient', 'chosen')
    result_out = ScoreLoss()
    object.__setattr__(result_out, 'status', _check(_fst_loss_bradley_terry(float(centering),
            _address(chosen), _address(rejected), _address(margins), _address(weights),
            0 if chosen is None else chosen.size, _address(chosen_gradient),
            _address(rejected_gradient), ctypes.byref(result_out), ctypes.sizeof(result_out))))
    return result_out


Loss.bradley_terry = staticmethod(_loss_bradley_terry)

def _loss_k_wise(centering, scores, offsets, weights, prompts, gradient=None):
    """Ranked answers (InstructGPT, arXiv 2203.02155, equation 1): the mean of Bradley–Terry over all
        K·(K−1)/2 pairs of a prompt, so that no prompt counts more for having more answers. The
        centering term is the mean over the same pairs.
    centering: ≥ 0.
    scores: [offsets[prompts]] best answer first within each prompt.
    offsets: [prompts + 1] where each prompt's scores begin, and the end; each has two or more.
    weights: [prompts]; NULL: 1/prompts.
    prompts: ≥ 1.
    gradient: [offsets[prompts]]; NULL: not wanted.
    Returns result: count is of pairs.
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    scores = _input(scores, 'float32')
    offsets = _input(offsets, 'int64')
    weights = _input(weights, 'float32')
    gradient = _output(gradient, 'float32')
    result_out = ScoreLoss()
    object.__setattr__(result_out, 'status', _check(_fst_loss_k_wise(float(centering),
            _address(scores), _address(offsets), _address(weights), _index(prompts),
            _address(gradient), ctypes.byref(result_out), ctypes.sizeof(result_out))))
    return result_out


Loss.k_wise = staticmethod(_loss_k_wise)

def _loss_regression(scores, labels, weights=None, gradient=None):
    """Squared error of graded labels, l = (score − label)².
    scores: [count]
    labels: [count]; NaN: missing, the score is not read and has no gradient.
    weights: [count]; NULL: 1/labels that are there.
    gradient: [count]; NULL: not wanted.
    Returns result: count 0 and loss 0 where all labels are missing.
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    scores = _input(scores, 'float32')
    labels = _input(labels, 'float32')
    _same_size(labels, scores, 'labels', 'scores')
    weights = _input(weights, 'float32')
    _same_size(weights, scores, 'weights', 'scores')
    gradient = _output(gradient, 'float32')
    _same_size(gradient, scores, 'gradient', 'scores')
    result_out = ScoreLoss()
    object.__setattr__(result_out, 'status', _check(_fst_loss_regression(_address(scores),
            _address(labels), _address(weights), 0 if scores is None else scores.size,
            _address(gradient), ctypes.byref(result_out), ctypes.sizeof(result_out))))
    return result_out


Loss.regression = staticmethod(_loss_regression)

def _loss_ranked(scale, scores, labels, gradient=None):
    """Bradley–Terry over all pairs of a batch whose labels differ: scale·Σ −log σ(score of the larger
        label − score of the smaller).
    scale: 0: 1/pairs; for accumulation 1 / pairs of all micro-batches, see fst_ranked_pairs.
    scores: [count]
    labels: [count]; NaN: missing.
    gradient: [count]; NULL: not wanted.
    Returns result: count is of pairs; count 0 and loss 0 where no labels differ.
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    scores = _input(scores, 'float32')
    labels = _input(labels, 'float32')
    _same_size(labels, scores, 'labels', 'scores')
    gradient = _output(gradient, 'float32')
    _same_size(gradient, scores, 'gradient', 'scores')
    result_out = ScoreLoss()
    object.__setattr__(result_out, 'status', _check(_fst_loss_ranked(float(scale), _address(scores),
            _address(labels), 0 if scores is None else scores.size, _address(gradient),
            ctypes.byref(result_out), ctypes.sizeof(result_out))))
    return result_out


Loss.ranked = staticmethod(_loss_ranked)

def _loss_ordinal(kind, logits, labels, weights, levels, gradient=None):
    """Losses of labels that are levels 0 … levels − 1 in an order.
    kind: FST_ORDINAL_ value.
    logits: [count, levels − 1] z_k of P(y > k). With one score and shared thresholds, z_k = score +
        b_k, the score's gradient is the sum over k, a threshold's the sum over the batch.
    labels: [count] whole numbers 0 … levels − 1; NaN: missing.
    weights: [count]; NULL: 1/labels that are there.
    levels: ≥ 2.
    gradient: [count, levels − 1]; NULL: not wanted.
    Returns result: the level predicted is the number of z_k > 0.
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC (cumulative: also where the logits do
        not fall).
    Since 0.1
    """
    logits = _input(logits, 'float32')
    labels = _input(labels, 'float32')
    weights = _input(weights, 'float32')
    _same_size(weights, labels, 'weights', 'labels')
    gradient = _output(gradient, 'float32')
    result_out = ScoreLoss()
    object.__setattr__(result_out, 'status', _check(_fst_loss_ordinal(_index(kind),
            _address(logits), _address(labels), _address(weights),
            0 if labels is None else labels.size, _index(levels), _address(gradient),
            ctypes.byref(result_out), ctypes.sizeof(result_out))))
    return result_out


Loss.ordinal = staticmethod(_loss_ordinal)

def _loss_classes(logits, labels, weights, classes, gradient=None, options=None, **fields):
    """Cross entropy of one class of several, with PyTorch's class weights and label smoothing
        (torch.nn.CrossEntropyLoss; Szegedy et al., arXiv 1512.00567, section 7):
    l = −Σ_c q_c·v_c·log softmax(z)_c, q_c = (1 − ε)·[c = label] + ε/classes, v class_weights
    options: NULL for defaults.
    logits: [count, classes] z
    labels: [count] whole numbers 0 … classes − 1; NaN: missing, its logits are not read.
    weights: [count]; NULL: 1/Σ v_label over the labels that are there, as PyTorch's mean. For
        accumulation 1/Σ over those of all micro-batches.
    classes: ≥ 1.
    gradient: [count, classes]; NULL: not wanted.
    Returns result: accuracy is the share whose largest logit, the first of equal ones, is the
        label's; count 0 and loss 0 where all are missing.
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    options = _filled(LabelLossOptions, options, fields)
    logits = _input(logits, 'float32')
    labels = _input(labels, 'float32')
    weights = _input(weights, 'float32')
    _same_size(weights, labels, 'weights', 'labels')
    gradient = _output(gradient, 'float32')
    result_out = ScoreLoss()
    object.__setattr__(result_out, 'status', _check(_fst_loss_classes(_reference(options),
            _address(logits), _address(labels), _address(weights),
            0 if labels is None else labels.size, _index(classes), _address(gradient),
            ctypes.byref(result_out), ctypes.sizeof(result_out))))
    return result_out


Loss.classes = staticmethod(_loss_classes)

def _loss_labels(logits, labels, weights, examples, outputs, gradient=None, options=None, **fields):
    """Cross entropy of labels of yes and no, each a decision of its own, as PyTorch's
        BCEWithLogitsLoss with class_weights as its pos_weight v:
    l = −v·y·log σ(z) − (1 − y)·log σ(−z), y = (1 − ε)·label + ε/2
    options: NULL for defaults.
    logits: [examples, outputs] z
    labels: [examples, outputs] 0 to 1; NaN: missing, its logit is not read.
    weights: [examples, outputs]; NULL: 1/labels that are there.
    examples: ≥ 1.
    outputs: labels of an example, ≥ 1.
    gradient: [examples, outputs]; NULL: not wanted.
    Returns result: accuracy is the share of labels on whose side of ½ σ(z) is, ½ itself being
        above; count is of labels; 0, with loss 0, where all are missing.
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    options = _filled(LabelLossOptions, options, fields)
    logits = _input(logits, 'float32')
    labels = _input(labels, 'float32')
    weights = _input(weights, 'float32')
    gradient = _output(gradient, 'float32')
    result_out = ScoreLoss()
    object.__setattr__(result_out, 'status', _check(_fst_loss_labels(_reference(options),
            _address(logits), _address(labels), _address(weights), _index(examples),
            _index(outputs), _address(gradient), ctypes.byref(result_out),
            ctypes.sizeof(result_out))))
    return result_out


Loss.labels = staticmethod(_loss_labels)

def _loss_ntxent(context, first, second, examples, width, first_gradient=None, second_gradient=None,
        options=None, **fields):
    """NT-Xent, SimCLR's loss (Chen et al., arXiv 2002.05709, equation 1): of the 2N views of N
        examples each is an anchor, whose positive is the other view of its example and whose
        negatives are the rest.
    l_i = −ln( exp(cos(z_i, z_p(i))/τ) / Σ_{j≠i} exp(cos(z_i, z_j)/τ) ), loss = Σ l_i / 2N
    Gradients are with respect to the embeddings as given: scaling to length 1 is part of the loss.
        An embedding that is all zero has cosine 0 with everything and gets no gradient. The
        similarities are products on the context's threads, by blocks of rows that never hold all of
        them; the bits do not depend on the number of threads.
    context: whose threads and memory are used during the call.
    options: NULL for defaults; hard_negative_logit is not looked at.
    first: [examples, width] the examples' first views, for example a projection head's outputs.
    second: [examples, width] their second views.
    examples: N ≥ 2.
    width: ≥ 1.
    first_gradient: [examples, width]; NULL: not wanted.
    second_gradient: [examples, width]; NULL: not wanted.
    Returns result
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC, FST_ERR_NO_MEMORY.
    Since 0.1
    """
    options = _filled(ContrastiveLossOptions, options, fields)
    first = _input(first, 'float32')
    second = _input(second, 'float32')
    first_gradient = _output(first_gradient, 'float32')
    second_gradient = _output(second_gradient, 'float32')
    result_out = ContrastiveLoss()
    object.__setattr__(result_out, 'status', _check(_fst_loss_ntxent(_handle(Context, context),
            _reference(options), _address(first), _address(second), _index(examples), _index(width),
            _address(first_gradient), _address(second_gradient), ctypes.byref(result_out),
            ctypes.sizeof(result_out))))
    return result_out


Loss.ntxent = staticmethod(_loss_ntxent)

def _loss_infonce(context, anchors, candidates, examples, candidate_count, width,
        anchor_gradient=None, candidate_gradient=None, options=None, **fields):
    """InfoNCE with the batch's own negatives (van den Oord et al., arXiv 1807.03748; the form of
        SimCSE, Gao et al., arXiv 2104.08821, equations 1, 4 and 5): the positive of anchor i is
        candidate i, all other candidates are negatives.
    l_i = −ln( exp(cos(a_i, c_i)/τ) / Σ_j exp(cos(a_i, c_j)/τ + b_ij) ), loss = Σ l_i / N
    Candidates behind the first N are hard negatives, as many for each anchor, in blocks of N:
        candidate k·N + i, k ≥ 1, is one of anchor i, for which b is hard_negative_logit; else b =
        0. They are negatives of the other anchors too. Otherwise as fst_loss_ntxent.
    context: whose threads and memory are used during the call.
    options: NULL for defaults.
    anchors: [examples, width]
    candidates: [candidate_count, width]
    examples: N ≥ 1; with N = 1 hard negatives are needed.
    candidate_count: a multiple of examples.
    width: ≥ 1.
    anchor_gradient: [examples, width]; NULL: not wanted.
    candidate_gradient: [candidate_count, width]; NULL: not wanted.
    Returns result
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC, FST_ERR_NO_MEMORY.
    Since 0.1
    """
    options = _filled(ContrastiveLossOptions, options, fields)
    anchors = _input(anchors, 'float32')
    candidates = _input(candidates, 'float32')
    anchor_gradient = _output(anchor_gradient, 'float32')
    candidate_gradient = _output(candidate_gradient, 'float32')
    result_out = ContrastiveLoss()
    object.__setattr__(result_out, 'status', _check(_fst_loss_infonce(_handle(Context, context),
            _reference(options), _address(anchors), _address(candidates), _index(examples),
            _index(candidate_count), _index(width), _address(anchor_gradient),
            _address(candidate_gradient), ctypes.byref(result_out), ctypes.sizeof(result_out))))
    return result_out


Loss.infonce = staticmethod(_loss_infonce)

def _augment_options_simclr(self, size, strength):
    """Fills the options as SimCLR has them (Chen et al., "A simple framework for contrastive learning
        of visual representations", 2020, appendix A): crop, flip 0.5, jitter 0.8 with brightness,
        contrast and saturation 0.8·strength and hue 0.2·strength, grey 0.2, blur 0.5.
    size: sizeof *options.
    strength: of the jitter, 0 … 2.5: the paper has 1 for ImageNet and 0.5 for CIFAR-10, which has
        no blur either.
    Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
    Since 0.1
    """
    return _check(_fst_augment_options_simclr(ctypes.byref(self), _index(size), float(strength)))


AugmentOptions.simclr = _augment_options_simclr

def _kl_controller_update(self, kl, samples):
    """Moves the coefficient (Ziegler et al., arXiv 1909.08593, section 2.2):
    e = clip(KL/target − 1, −0.2, 0.2) β ← β·(1 + e·min(1, samples/horizon))
    A fixed one stays as it is.
    kl: mean KL of the samples just seen, in nats.
    samples: how many they were, ≥ 0.
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    return _check(_fst_kl_controller_update(ctypes.byref(self), float(kl), _index(samples)))


KlController.update = _kl_controller_update

def _rl_options_set_algorithm(self, algorithm):
    """Sets an algorithm and the defaults that differ with it: samples_per_prompt, epochs,
        kl_coefficient, kl_estimator, kl_in_loss, whiten_advantages, aggregation.
    algorithm: FST_RL_ value.
    Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
    Since 0.1
    """
    return _check(_fst_rl_options_set_algorithm(ctypes.byref(self), _index(algorithm)))


RlOptions.set_algorithm = _rl_options_set_algorithm

def _control_options_set_algorithm(self, algorithm):
    """Sets an algorithm and the defaults that differ with it: steps, minibatch, epochs, lambda,
        value_coefficient, normalize_advantages, learning_rate.
    algorithm: FST_RL_PPO, FST_RL_A2C or FST_RL_REINFORCE.
    Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
    Since 0.1
    """
    return _check(_fst_control_options_set_algorithm(ctypes.byref(self), _index(algorithm)))


ControlOptions.set_algorithm = _control_options_set_algorithm

def last_error():
    """Text of the last error of the calling thread: what failed, where (file, line or byte offset,
        tensor name) and what was expected.
    Returns borrowed UTF-8, never NULL, empty if no call failed on this thread yet; valid until the
        next failing call on this thread.
    Since 0.1
    """
    _result = _fst_last_error()
    _raise_pending()
    _result = _to_text(_result)
    return _result


def status_name(status):
    """Name of a status, e.g. "FST_ERR_IO".
    status: any value.
    Returns static text; "unknown status" for a value that is none of the library's.
    Since 0.1
    """
    _result = _fst_status_name(_index(status))
    _raise_pending()
    _result = _to_text(_result)
    return _result


def dtype_size(dtype):
    """Bytes of one element.
    dtype: FST_F32 … FST_BOOL.
    Returns 0 for any other value.
    Since 0.1
    """
    _result = _fst_dtype_size(_index(dtype))
    _raise_pending()
    return _result


def dtype_name(dtype):
    """Name as safetensors writes it: "F32", "BF16", …
    dtype: FST_F32 … FST_BOOL.
    Returns static text, "unknown" for any other value.
    Since 0.1
    """
    _result = _fst_dtype_name(_index(dtype))
    _raise_pending()
    _result = _to_text(_result)
    return _result


def actions_evaluate(space, parameters, log_std, masks, actions, count, log_probabilities=None,
        entropies=None):
    """Log-probabilities of actions and entropies of their distributions.
    space: of the actions.
    parameters: [count, K].
    log_std: [elements] log σ of a Box; else not read, NULL.
    masks: [count, K]; NULL: all allowed.
    actions: [count] values of the space; not read without log_probabilities.
    count: rows, ≥ 1.
    log_probabilities: [count] written. NULL: not wanted.
    entropies: [count] written. NULL: not wanted.
    Status: FST_OK; FST_ERR_INVALID_ARGUMENT (an action outside of the space or one that its mask
        forbids, a mask that allows nothing: the text names row and part); FST_ERR_UNSUPPORTED (a
        Box of bytes); FST_ERR_NUMERIC (a result is not finite: the text names the row).
    Since 0.1
    """
    space = _filled(Space, space, {})
    parameters = _input(parameters, 'float32')
    log_std = _input(log_std, 'float32')
    masks = _input(masks, 'uint8')
    actions = _input(actions, None)
    log_probabilities = _output(log_probabilities, 'float32')
    entropies = _output(entropies, 'float32')
    _same_size(entropies, log_probabilities, 'entropies', 'log_probabilities')
    return _check(_fst_actions_evaluate(_reference(space), _address(parameters), _address(log_std),
            _address(masks), _address(actions), _index(count), _address(log_probabilities),
            _address(entropies)))


def actions_gradient(space, parameters, log_std, masks, actions, count, d_log_probabilities,
        d_entropies, d_parameters, d_log_std=None):
    """The gradient of an objective with respect to the parameters, from that with respect to
        log-probabilities and entropies.
    space: of the actions.
    parameters: [count, K].
    log_std: [elements] log σ of a Box; else not read, NULL.
    masks: [count, K]; NULL: all allowed.
    actions: [count] values of the space; not read without d_log_probabilities.
    count: rows, ≥ 1.
    d_log_probabilities: [count]; NULL: 0.
    d_entropies: [count]; NULL: 0.
    d_parameters: [count, K] written.
    d_log_std: [elements] of a Box, written: the sum over the rows. NULL: not wanted.
    Status: as fst_actions_evaluate.
    Since 0.1
    """
    space = _filled(Space, space, {})
    parameters = _input(parameters, 'float32')
    log_std = _input(log_std, 'float32')
    masks = _input(masks, 'uint8')
    actions = _input(actions, None)
    d_log_probabilities = _input(d_log_probabilities, 'float32')
    d_entropies = _input(d_entropies, 'float32')
    _same_size(d_entropies, d_log_probabilities, 'd_entropies', 'd_log_probabilities')
    d_parameters = _output(d_parameters, 'float32')
    d_log_std = _output(d_log_std, 'float32')
    return _check(_fst_actions_gradient(_reference(space), _address(parameters), _address(log_std),
            _address(masks), _address(actions), _index(count), _address(d_log_probabilities),
            _address(d_entropies), _address(d_parameters), _address(d_log_std)))


def actions_sample(space, parameters, log_std, masks, count, seed, step, deterministic, actions,
        log_probabilities=None):
    """Draws actions. Row i's draw is a function of (seed, step, i) and of its parameters.
    space: of the actions.
    parameters: [count, K].
    log_std: [elements] log σ of a Box; else not read, NULL.
    masks: [count, K]; NULL: all allowed.
    count: rows, ≥ 1.
    seed: any.
    step: number of the draw, ≥ 0.
    deterministic: 1: the most probable choice (the first of equals), yes where its probability is
        above ½, the mean; 0: drawn.
    actions: [count] values of the space, written.
    log_probabilities: [count] of them, written. NULL: not wanted.
    Status: as fst_actions_evaluate; parameters that are not numbers are FST_ERR_NUMERIC.
    Since 0.1
    """
    space = _filled(Space, space, {})
    parameters = _input(parameters, 'float32')
    log_std = _input(log_std, 'float32')
    masks = _input(masks, 'uint8')
    actions = _output(actions, None)
    log_probabilities = _output(log_probabilities, 'float32')
    return _check(_fst_actions_sample(_reference(space), _address(parameters), _address(log_std),
            _address(masks), _index(count), _index(seed), _index(step), _index(deterministic),
            _address(actions), _address(log_probabilities)))


def version():
    """Product version.
    Returns static text, e.g. "0.1.0".
    Since 0.1
    """
    _result = _fst_version()
    _raise_pending()
    _result = _to_text(_result)
    return _result


def abi_version():
    """Version of the binary interface, the number in the soname.
    Since 0.1
    """
    _result = _fst_abi_version()
    _raise_pending()
    return _result


def contrastive_create(options=None, **fields):
    """Makes a run of contrastive pretraining. It takes all memory of a step.
    A step is fst_dataset_order of `rows` examples; for each chunk of them fst_dataset_collate (row
        v + V·i of the chunk's batch is view v of its example i, V views), fst_model_forward with
        dropout, number step·chunks + chunk as the dropout's step (images: fst_dataset_read_images,
        view v of example i of all that training has read with draw 2·i + v), the embeddings; the
        loss over all of them; and, where there is more than one chunk, each forward once more with
        the same masks, before its backward; then fst_optimizer_step.
    Validation without labels is the training's loss over batches of `rows` in the dataset's order
        (a rest smaller than that is left away), by pairs without dropout, by dropout and
        augmentation with the same draws each time. With labels it is the correlation of the two
        embeddings' cosine with the label, without head and dropout, and the evaluation's score is
        −Spearman.
    Metrics: "loss", "accuracy", "alignment", "uniformity" (fst_contrastive_loss), "learning_rate",
        "gradient_norm", "clip_factor", "tokens" (of images their views) of the last step; "epoch",
        "spikes", "rollbacks" so far; of the last evaluation "validation_loss" (with labels
        −Spearman), "validation_accuracy" (without labels), "validation_alignment" (with labels:
        over the pairs with at least four fifths of the greatest label, as SimCSE measures it),
        "validation_uniformity", "validation_spearman", "validation_pearson" (with labels).
    options: model and train are needed.
    Returns run: the caller owns it.
    Status: FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field; also for views by dropout of
        a model without dropout, and for chunks of a model with batch norm); FST_ERR_NOT_FOUND for a
        head that the model does not have; FST_ERR_MISMATCH where model, head, optimizer and data do
        not fit each other; FST_ERR_STATE for data of another kind, or packed; FST_ERR_NO_MEMORY.
    Since 0.1
    """
    options = _filled(ContrastiveOptions, options, fields)
    run_out = ctypes.c_void_p()
    _interruptible(options)
    _keep = (options,)
    with _guard(options):
        _check(_fst_contrastive_create(_reference(options), ctypes.byref(run_out)))
    return Run._adopt(run_out.value, _keep)


def advantages_gae(layout, rewards, values, final_values, terminated, truncated, truncation_values,
        advantages, returns=None, options=None, **fields):
    """Generalized advantage estimation (Schulman et al., arXiv 1506.02438, equations 11 to 16):
    δ_t = r_t + γ·V' − V_t A_t = δ_t + γλ·A_{t+1} return_t = A_t + V_t
    V' is V_{t+1} within an episode, 0 after a step that terminated it, truncation_values[t] after
        one that cut it short (a time limit; Pardo et al., arXiv 1712.00378), and final_values[n]
        after the last step of trajectory n. An episode that ended lets nothing of the next one's
        advantage through.
    options: NULL for defaults.
    layout: where steps stand in all arrays of steps; elements that are no step are not read and not
        written.
    rewards: of each step.
    values: V_t of each step's observation.
    final_values: [trajectories] value of what follows the last step; NULL: 0, as for text. Not read
        for a trajectory whose last step terminated or truncated.
    terminated: 1 where the episode ended in the step; NULL: nowhere.
    truncated: 1 where the episode was cut short in the step; NULL: nowhere. Where both are 1,
        terminated counts.
    truncation_values: value of the last observation of an episode that was cut short, read where
        truncated is 1; NULL only where truncated is NULL.
    advantages: [steps] of each step; may be the array of rewards.
    returns: [steps] of each step, the targets of the values; NULL: not wanted. May be the array of
        values.
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    options = _filled(GaeOptions, options, fields)
    layout = _filled(Trajectories, layout, {})
    rewards = _input(rewards, 'float32')
    values = _input(values, 'float32')
    final_values = _input(final_values, 'float32')
    terminated = _input(terminated, 'uint8')
    truncated = _input(truncated, 'uint8')
    truncation_values = _input(truncation_values, 'float32')
    advantages = _output(advantages, 'float32')
    returns = _output(returns, 'float32')
    return _check(_fst_advantages_gae(_reference(options), _reference(layout), _address(rewards),
            _address(values), _address(final_values), _address(terminated), _address(truncated),
            _address(truncation_values), _address(advantages), _address(returns)))


def advantages_whiten(advantages, mask, shift_mean):
    """(A − mean)/(deviation + 1e-8) over the elements that count, in place; the deviation with n − 1,
        0 for a single element.
    advantages: [count] changed in place.
    mask: [count] 0: leave alone; NULL: all count.
    shift_mean: 0: the mean is put back after scaling (for rewards, as TRL's masked_whiten); else
        the mean becomes 0.
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    advantages = _output(advantages, 'float32')
    mask = _input(mask, 'uint8')
    _same_size(mask, advantages, 'mask', 'advantages')
    return _check(_fst_advantages_whiten(_address(advantages), _address(mask),
            0 if advantages is None else advantages.size, _index(shift_mean)))


def advantages_group(kind, rewards, group, advantages):
    """Advantages of samples of the same prompt against each other.
    kind: FST_GROUP_ value.
    rewards: [count] the samples of a prompt next to each other.
    group: samples of a prompt, ≥ 2.
    advantages: [count]; may be the array of rewards.
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    rewards = _input(rewards, 'float32')
    advantages = _output(advantages, 'float32')
    _same_size(advantages, rewards, 'advantages', 'rewards')
    return _check(_fst_advantages_group(_index(kind), _address(rewards),
            0 if rewards is None else rewards.size, _index(group), _address(advantages)))


def advantages_baseline(baseline, rewards, advantages):
    """A = r − baseline, then the baseline moves: mean ← decay·mean + (1 − decay)·(mean of the
        rewards). The first batch is measured against its own mean.
    baseline: changed; as before where the call fails.
    rewards: [count]
    advantages: [count]; may be the array of rewards.
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    baseline = _filled(Baseline, baseline, {})
    rewards = _input(rewards, 'float32')
    advantages = _output(advantages, 'float32')
    _same_size(advantages, rewards, 'advantages', 'rewards')
    return _check(_fst_advantages_baseline(_reference(baseline), _address(rewards),
            0 if rewards is None else rewards.size, _address(advantages)))


def kto_reference_point(log_probabilities, reference):
    """KTO's reference point z₀ = max(0, mean(log π − log π_ref)) over answers that belong to other
        prompts (arXiv 2402.01306, section 4.1).
    log_probabilities: [count] Σ log π of the mismatched answers.
    reference: [count]
    Returns reference_point
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC.
    Since 0.1
    """
    log_probabilities = _input(log_probabilities, 'float32')
    reference = _input(reference, 'float32')
    _same_size(reference, log_probabilities, 'reference', 'log_probabilities')
    reference_point_out = ctypes.c_double()
    _check(_fst_kto_reference_point(_address(log_probabilities), _address(reference),
            0 if log_probabilities is None else log_probabilities.size,
            ctypes.byref(reference_point_out)))
    return reference_point_out.value


def ranked_pairs(labels):
    """Pairs that fst_loss_ranked would see.
    labels: [count]; NaN: missing.
    Returns pairs
    Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
    Since 0.1
    """
    labels = _input(labels, 'float32')
    pairs_out = ctypes.c_int64()
    _check(_fst_ranked_pairs(_address(labels), 0 if labels is None else labels.size,
            ctypes.byref(pairs_out)))
    return pairs_out.value


def reward_create(options=None, **fields):
    """Makes a run that trains a reward model. It takes all memory of a step.
    A step reads rows·accumulation examples, sorted by length and cut into micro-batches; a
        micro-batch is padded to its own longest sequence, all answers of an example in it. The
        heads' outputs go into fst_loss_bradley_terry (two answers, with the pair's margin) or
        fst_loss_k_wise (more: all pairs of a prompt, InstructGPT's equation 1) with weight
        1/examples of the step; or each aspect's into its loss with its weight divided by its labels
        (FST_ASPECT_BT: pairs) in the whole step, missing ones left out. Gradients go back through
        fst_model_add_gradient.
    Metrics of the last step: "loss" (with centering), "learning_rate", "gradient_norm",
        "clip_factor", "tokens"; "tokens_per_second", "seconds_left", "epoch", "spikes",
        "rollbacks".
    Preferences: "centering" (its part of the loss), "accuracy" (share of pairs in the right order,
        equal scores half), "margin" (mean difference), "reward_mean", "reward_min", "reward_max";
        of the last evaluation "validation_loss" (without centering), "validation_accuracy",
        "validation_margin", "validation_reward_mean", "validation_reward_min",
        "validation_reward_max", "validation_length_baseline" (the accuracy of preferring the longer
        answer, equal lengths half) and "validation_calibration" (expected calibration error of
        σ(difference), ten bins; Guo et al., arXiv 1706.04599).
    Labelled texts: "labels" that counted; of the last evaluation "validation_loss" and for each
        aspect i "validation_pearson_i", "validation_spearman_i", "validation_error_i" (mean squared
        error) and "validation_baseline_i" (that of always saying the training data's mean). The
        prediction of an ordinal aspect is the expected level Σ σ(z_k); error and baseline of a
        ranked one are NaN.
    options: model and train are needed.
    Returns run: the caller owns it.
    Status: FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field); FST_ERR_NOT_FOUND for a
        head that the model does not have; FST_ERR_MISMATCH where model, heads, optimizer and data
        do not fit each other; FST_ERR_STATE for data of another kind or packed; FST_ERR_NO_MEMORY.
    Since 0.1
    """
    options = _filled(RewardOptions, options, fields)
    run_out = ctypes.c_void_p()
    _interruptible(options)
    _keep = (options,)
    with _guard(options):
        _check(_fst_reward_create(_reference(options), ctypes.byref(run_out)))
    return Run._adopt(run_out.value, _keep)


def reward_shift(run, scale):
    """Shifts the head of a pairwise run so that the mean score of all answers in train becomes 0
        (InstructGPT, section 3.5), and scales it if asked so that their deviation becomes 1. What
        the scores say about each other stays. The run does it itself in its last step; call it
        where a run was stopped early or its best state was loaded. Deterministic: a run that is
        resumed ends with the same bits.
    run: of fst_reward_create with FST_REWARD_PAIRWISE, between steps.
    scale: 1: scale too; 0: shift only.
    Returns mean: before the shift; may be NULL.
    Returns deviation: before scaling; may be NULL.
    Status: FST_OK; FST_STOPPED after fst_run_cancel, FST_ERR_NUMERIC: nothing was changed;
        FST_ERR_STATE for another run, or in the middle of a step; FST_ERR_BUSY.
    Since 0.1
    """
    mean_out = ctypes.c_double()
    deviation_out = ctypes.c_double()
    with _guard(run):
        _check(_fst_reward_shift(_handle(Run, run), _index(scale), ctypes.byref(mean_out),
                ctypes.byref(deviation_out)))
    return mean_out.value, deviation_out.value


def rl_create(options=None, **fields):
    """Makes a run of reinforcement learning on text.
    Log-probabilities are those of the distribution that was sampled from: at the temperature, over
        the ids that top-k, top-p and min-p left (the list is kept with each token, as DeepSeek-V3.2
        does). They are computed once more after the rollout by the very forwards of the first
        epoch, without dropout, so that every ratio of the first update is exactly 1. Penalties and
        finite biases depend on what was said before or are no list, and are refused; a bias of
        −INFINITY is a list.
    An answer's score goes to its last token; an answer ends with the model's end token, which is
        part of it. Padding is told by length, never by id.
    fst_run_advance does one piece of an iteration: the rollout with everything that is computed
        from it, or one forward and backward, with the update where it completes a minibatch;
        fst_run_info.micro_step counts them, and a checkpoint saved between two of them holds the
        rollout. An iteration that fails after its first update leaves the weights of its last one,
        and is then begun anew.
    Metrics: "reward" (mean score before clipping), "kl" (of an answer to the reference, in nats;
        NaN without one), "kl_coefficient", "approximate_kl", "clip_fraction", "ratio" (largest),
        "first_ratio_error" (largest |ratio − 1| in the first update), "entropy",
        "explained_variance", "policy_loss", "value_loss", "supervised_loss", "ends" (answers that
        ended by themselves), "length" (mean tokens), "truncated_share", "updates", "clip_factor",
        "rollout_seconds", "reward_seconds", "estimate_seconds" (log-probabilities, values,
        advantages), "update_seconds", "sampling_error" (largest difference of a log-probability
        between sampling and training); "validation_reward", "validation_length". The seconds of an
        iteration that was resumed are NaN. The evaluation that fst_run_options' patience and
        save_best go by is −validation_reward.
    options: model, reward_model and prompts are needed.
    Returns run: the caller owns it.
    Status: FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field); FST_ERR_NOT_FOUND (PPO, and
        the model has no such value head); FST_ERR_MISMATCH where model, optimizer, reference and
        data do not fit each other; FST_ERR_STATE for a dataset of another kind; FST_ERR_NO_MEMORY.
    Since 0.1
    """
    options = _filled(RlOptions, options, fields)
    run_out = ctypes.c_void_p()
    _interruptible(options)
    _keep = (options,)
    with _guard(options):
        _check(_fst_rl_create(_reference(options), ctypes.byref(run_out)))
    return Run._adopt(run_out.value, _keep)


def control_create(options=None, **fields):
    """Makes a run of reinforcement learning in environments.
    An episode that is cut short (truncated) is followed by the value of its last observation, one
        that ended (terminated) by nothing. Advantages are estimated (fst_advantages_gae) over the
        steps time-major, [steps, N]. Log-probabilities that ratios are taken against are those at
        acting; where a network's results may differ with the batch (all but MLPs) they are computed
        once more by the forwards of the first epoch, so that every ratio of the first update is
        exactly 1.
    REINFORCE with value_coefficient 0 learns from whole episodes: steps of an episode that still
        goes on at the iteration's end do not count for the policy.
    fst_run_advance does one piece of an iteration: some steps of the environments (about 64), or
        one minibatch with its update; fst_run_info.micro_step counts them. A cancel is answered
        after each step of the environments and each update. A checkpoint holds everything: weights,
        moments, statistics, the steps gathered so far, past selves, and the environments' state;
        where an environment cannot save its state, saving warns, and a resumed run begins new
        episodes. A failing environment ends the episodes in progress; the next verb begins new
        ones, and the steps gathered before are kept. An iteration that fails after its first update
        leaves the weights of its last one, and its steps are dropped.
    Environments of two players: the learner takes one seat, alternating by episode, the present
        self or one drawn from the past selves the other. The learner's trajectories hold its own
        moves only; a move's reward includes what the reply to it brought, so a lost game ends with
        −1 at the learner's last move.
    fst_run_progress.tokens are steps of the environments (of two players: the learner's moves).
    Metrics: "episode_return", "episode_length" (means over the last 100 episodes; NaN before the
        first has ended), "episodes", "win_share" (of the last 100, with a return above 0; NaN with
        one player), "approximate_kl", "clip_fraction", "ratio" (largest), "first_ratio_error"
        (largest |ratio − 1| in the first update), "entropy", "explained_variance", "policy_loss",
        "value_loss", "clip" (the one used), "updates", "clip_factor", "rollout_seconds",
        "update_seconds", "environment_seconds" (part of the first); "validation_return",
        "validation_length", "validation_success" (share of episodes that ended, not cut short, with
        a reward above 0). The seconds of an iteration that was resumed are NaN. The evaluation that
        fst_run_options' patience and save_best go by is −validation_return.
    options: policy is needed.
    Returns run: the caller owns it.
    Status: FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field); FST_ERR_STATE for a policy
        on text or an environment without auto-reset; FST_ERR_MISMATCH where policy, optimizer and
        environments do not fit each other; FST_ERR_NO_MEMORY.
    Since 0.1
    """
    options = _filled(ControlOptions, options, fields)
    run_out = ctypes.c_void_p()
    _interruptible(options)
    _keep = (options,)
    with _guard(options):
        _check(_fst_control_create(_reference(options), ctypes.byref(run_out)))
    return Run._adopt(run_out.value, _keep)


def control_act(run, observations, masks, actions):
    """Acts, in a loop of the host's own: a run without env.
    Once `steps` were observed, the next call (which knows the value of what follows) learns before
        it acts: one step of the run, with the evaluation, saving and progress call due. With
        learn_in_pieces it only acts, and while fst_run_advance makes the updates, one a call, steps
        are not recorded; before there is anything to learn from, fst_run_advance does nothing. A
        run that has finished acts on, without recording.
    run: of fst_control_create without env.
    observations: [N] values of the observation space. One that follows an episode's end begins the
        next.
    masks: [N, choices] 1 where a choice is allowed; NULL: all are.
    actions: [N] values of the action space, written. Box: not clipped to its bounds.
    Status: FST_OK; FST_ERR_STATE for another run, or before what the last actions led to was
        observed; what fst_run_step may return, FST_STOPPED too: nothing was acted, and the next
        call must have the same observations; FST_ERR_INVALID_ARGUMENT and FST_ERR_NUMERIC for an
        observation that is none of its space (the text names the environment).
    Since 0.1
    """
    observations = _input(observations, None)
    masks = _input(masks, 'uint8')
    actions = _output(actions, None)
    with _guard(run):
        return _check(_fst_control_act(_handle(Run, run), _address(observations), _address(masks),
                _address(actions)))


def control_observe(run, rewards, terminated=None, truncated=None, final_observations=None):
    """What the last actions led to.
    run: of fst_control_create without env, after fst_control_act.
    rewards: [N].
    terminated: [N] 1 where the episode ended; NULL: nowhere.
    truncated: [N] 1 where it was cut short; NULL: nowhere. Where both are 1, terminated counts.
    final_observations: [N] values of the observation space, of which those of truncated episodes
        are read: their last ones; NULL only where none is truncated.
    Status: FST_OK; FST_ERR_STATE for another run or without actions before; FST_ERR_NUMERIC for a
        reward that is not finite (the text names environment and step: the step can be observed
        again); FST_ERR_INVALID_ARGUMENT; FST_ERR_BUSY.
    Since 0.1
    """
    rewards = _input(rewards, 'float64')
    terminated = _input(terminated, 'uint8')
    truncated = _input(truncated, 'uint8')
    final_observations = _input(final_observations, None)
    with _guard(run):
        return _check(_fst_control_observe(_handle(Run, run), _address(rewards),
                _address(terminated), _address(truncated), _address(final_observations)))


def dpo_create(options=None, **fields):
    """Makes a run that trains a causal language model on preferences. It takes all memory of a step.
    A step reads rows·accumulation examples, a pair of answers each. Of an example with more than
        two answers, each epoch sees one pair: first the best and the worst, then pairs ever closer
        in rank, until all have been seen, and again. A micro-batch goes, both answers of its pairs
        in one batch padded to the longest, through the reference model in FST_FORWARD_EVALUATE,
        then through the policy; the sums of "log_probabilities" over each answer go into
        fst_loss_preference or fst_loss_kto with float weights 1/(pairs, or answers, of the whole
        step), and their gradients back through fst_model_add_gradient. A loop of the caller's own
        that does the same gets the same bits.
    KTO's reference point is the mean over the micro-batch of what both models give each prompt with
        the answers to another prompt (those of the next example that the training reads; cut at the
        end where they are longer than the longest sequence of the data), never below 0.
    Metrics of the last step: "loss" (with the α term), "sft_loss" (−log π per token of the chosen
        answers, without α), "accuracy" (share of pairs whose chosen answer has the larger implicit
        reward β·(log π − log π_ref), equal ones half), "margin" (mean difference of the two),
        "chosen_reward", "rejected_reward", "chosen_log_probability", "rejected_log_probability"
        (means over answers), "reference_point" (KTO), "learning_rate", "gradient_norm",
        "clip_factor", "tokens" (that are trained on); "tokens_per_second", "seconds_left"; "epoch"
        so far; and of the last evaluation "validation_loss" (without the α term),
        "validation_accuracy", "validation_margin", "validation_chosen_reward",
        "validation_rejected_reward". An evaluation pairs each example's best answer with its worst.
    options: model and train are needed.
    Returns run: the caller owns it.
    Status: FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field); FST_ERR_MISMATCH where
        models, optimizer and data do not fit each other; FST_ERR_STATE for data that are no
        preferences or are packed, and for FST_REFERENCE_TRUNK without an adapter;
        FST_ERR_NO_MEMORY.
    Since 0.1
    """
    options = _filled(DpoOptions, options, fields)
    run_out = ctypes.c_void_p()
    _interruptible(options)
    _keep = (options,)
    with _guard(options):
        _check(_fst_dpo_create(_reference(options), ctypes.byref(run_out)))
    return Run._adopt(run_out.value, _keep)


def mask_tokens(context, ids, rows, length, draw, masked, targets, options=None, **fields):
    """Masks a batch. What becomes of an id is a function of the context's seed, its row's draw and its
        place in the row, so that it does not depend on the batch or on the number of threads.
        Random ids are drawn from all that are not special, each equally likely.
    Each id is chosen with `mask_probability`, independently; with whole_words each word is, so that
        the expected share of ids is the same. What becomes of a chosen word's ids is drawn for each
        of them.
    context: gives the seed and the threads.
    options: mask_id and vocabulary_size are needed.
    ids: [rows, length] 0 ≤ id < vocabulary_size.
    rows: at least 1.
    length: at least 1.
    draw: row i of the call uses draw + i; 0 ≤ draw + i < 2⁵⁶. A pretraining run uses the rows read
        since training began, and 2⁵⁵ + the row for validation.
    masked: [rows, length] out: the model's input; may be `ids` itself.
    targets: [rows, length] out: the id that stood there where it was chosen, else FST_IGNORE.
    Status: FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field, or the id's row and place).
    Since 0.1
    """
    options = _filled(MaskOptions, options, fields)
    ids = _input(ids, 'int32')
    masked = _output(masked, 'int32')
    targets = _output(targets, 'int32')
    return _check(_fst_mask_tokens(_handle(Context, context), _reference(options), _address(ids),
            _index(rows), _index(length), _index(draw), _address(masked), _address(targets)))


def metrics_confusion(labels, predictions, classes, confusion):
    """Counts how often each class was taken for each.
    labels: [count] 0 … classes − 1; negative: missing, left out.
    predictions: [count] 0 … classes − 1; not read where the label is missing.
    classes: at least 1.
    confusion: [classes, classes] overwritten: row of the label, column of the prediction.
    Status: FST_OK; FST_ERR_INVALID_ARGUMENT, naming the element.
    Since 0.1
    """
    labels = _input(labels, 'int32')
    predictions = _input(predictions, 'int32')
    _same_size(predictions, labels, 'predictions', 'labels')
    confusion = _output(confusion, 'int64')
    return _check(_fst_metrics_confusion(_address(labels), _address(predictions),
            0 if labels is None else labels.size, _index(classes), _address(confusion)))


def metrics_classes(confusion, classes, precision=None, recall=None, f1=None):
    """confusion: [classes, classes] as fst_metrics_confusion and fst_sft_confusion give it.
    classes: at least 1.
    precision: [classes] overwritten; NULL: not wanted, as the next two.
    recall: [classes] overwritten; NULL: not wanted.
    f1: [classes] overwritten; NULL: not wanted.
    Returns metrics
    Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
    Since 0.1
    """
    confusion = _input(confusion, 'int64')
    precision = _output(precision, 'float64')
    recall = _output(recall, 'float64')
    f1 = _output(f1, 'float64')
    metrics_out = ClassMetrics()
    object.__setattr__(metrics_out, 'status', _check(_fst_metrics_classes(_address(confusion),
            _index(classes), _address(precision), _address(recall), _address(f1),
            ctypes.byref(metrics_out), ctypes.sizeof(metrics_out))))
    return metrics_out


def metrics_labels(labels, scores, examples, outputs, threshold, confusion):
    """labels: [examples, outputs] 1 yes, 0 no; NaN: missing, left out.
    scores: [examples, outputs] yes where at least threshold; not read where the label is missing.
    examples: at least 1.
    outputs: labels of an example, at least 1.
    threshold: 0.5 for probabilities, 0 for logits.
    confusion: [outputs, 2, 2] overwritten: for each label no taken for no, no for yes, yes for no,
        yes for yes.
    Returns metrics
    Status: FST_OK; FST_ERR_INVALID_ARGUMENT, naming a label that is neither; FST_ERR_NUMERIC for a
        score that is NaN.
    Since 0.1
    """
    labels = _input(labels, 'float32')
    scores = _input(scores, 'float32')
    confusion = _output(confusion, 'int64')
    metrics_out = LabelMetrics()
    object.__setattr__(metrics_out, 'status', _check(_fst_metrics_labels(_address(labels),
            _address(scores), _index(examples), _index(outputs), float(threshold),
            _address(confusion), ctypes.byref(metrics_out), ctypes.sizeof(metrics_out))))
    return metrics_out


def metrics_regression(context, labels, predictions):
    """context: where memory for the ranks is taken from during the call.
    labels: [count] NaN: missing, left out.
    predictions: [count] not read where the label is missing.
    Returns metrics
    Status: FST_OK; FST_ERR_NUMERIC for a value that is not finite; FST_ERR_NO_MEMORY;
        FST_ERR_INVALID_ARGUMENT.
    Since 0.1
    """
    labels = _input(labels, 'float32')
    predictions = _input(predictions, 'float32')
    _same_size(predictions, labels, 'predictions', 'labels')
    metrics_out = RegressionMetrics()
    object.__setattr__(metrics_out, 'status', _check(_fst_metrics_regression(_handle(Context,
            context), _address(labels), _address(predictions), 0 if labels is None else labels.size,
            ctypes.byref(metrics_out), ctypes.sizeof(metrics_out))))
    return metrics_out


def metrics_correlation(context, x, y):
    """Pearson's correlation, and Spearman's: Pearson's of the ranks, equal values sharing the mean of
        theirs.
    context: where memory for the ranks is taken from during the call.
    x: [count] finite.
    y: [count] finite.
    Returns pearson: NaN where one side is constant.
    Returns spearman: NaN where one side is constant.
    Status: FST_OK; FST_ERR_NUMERIC for a value that is not finite; FST_ERR_NO_MEMORY;
        FST_ERR_INVALID_ARGUMENT.
    Since 0.1
    """
    x = _input(x, 'float32')
    y = _input(y, 'float32')
    _same_size(y, x, 'y', 'x')
    pearson_out = ctypes.c_double()
    spearman_out = ctypes.c_double()
    _check(_fst_metrics_correlation(_handle(Context, context), _address(x), _address(y),
            0 if x is None else x.size, ctypes.byref(pearson_out), ctypes.byref(spearman_out)))
    return pearson_out.value, spearman_out.value


def metrics_knn(context, known, labels, examples, queries, query_count, width, classes, k,
        temperature, predictions):
    """Tells classes by the nearest neighbours: those k labelled embeddings with the largest cosine
        vote, each with weight exp(cosine/τ) (Wu et al., "Unsupervised feature learning via
        non-parametric instance discrimination", arXiv 1805.01978, section 3.4, which has k 200 and
        τ 0.07). Of equal cosines the embedding that stands first is nearer; of equal votes the
        lower class wins.
    context: whose threads and memory are used during the call.
    known: [examples, width] embeddings with a label; scaled to length 1 here.
    labels: [examples] 0 … classes − 1.
    examples: at least 1.
    queries: [query_count, width] embeddings to tell.
    query_count: at least 1.
    width: at least 1.
    classes: at least 1.
    k: neighbours that vote, 1 … examples.
    temperature: τ > 0; 0: every vote counts the same.
    predictions: [query_count] overwritten.
    Status: FST_OK; FST_ERR_INVALID_ARGUMENT, naming a label out of range; FST_ERR_NUMERIC for an
        embedding that is not finite; FST_ERR_NO_MEMORY.
    Since 0.1
    """
    known = _input(known, 'float32')
    labels = _input(labels, 'int32')
    queries = _input(queries, 'float32')
    predictions = _output(predictions, 'int32')
    return _check(_fst_metrics_knn(_handle(Context, context), _address(known), _address(labels),
            _index(examples), _address(queries), _index(query_count), _index(width),
            _index(classes), _index(k), float(temperature), _address(predictions)))


def metrics_uniformity(context, embeddings, examples, width):
    """How evenly embeddings, scaled to length 1, lie on the sphere: ln of the mean of exp(−2‖a − b‖²)
        over all pairs (Wang and Isola, arXiv 2005.10242, t = 2). 0 where all are the same; the
        lower the more even.
    context: whose threads and memory are used during the call.
    embeddings: [examples, width] not changed.
    examples: at least 2.
    width: at least 1.
    Returns uniformity
    Status: FST_OK, FST_ERR_INVALID_ARGUMENT, FST_ERR_NUMERIC, FST_ERR_NO_MEMORY.
    Since 0.1
    """
    embeddings = _input(embeddings, 'float32')
    uniformity_out = ctypes.c_double()
    _check(_fst_metrics_uniformity(_handle(Context, context), _address(embeddings),
            _index(examples), _index(width), ctypes.byref(uniformity_out)))
    return uniformity_out.value


def schedule_learning_rate(step, options=None, **fields):
    """The learning rate of a step. A pure function.
    options: NULL for defaults.
    step: updates done before this one, ≥ 0; after total_steps the minimum holds.
    Returns learning_rate
    Status: FST_OK or FST_ERR_INVALID_ARGUMENT.
    Since 0.1
    """
    options = _filled(ScheduleOptions, options, fields)
    learning_rate_out = ctypes.c_double()
    _check(_fst_schedule_learning_rate(_reference(options), _index(step),
            ctypes.byref(learning_rate_out)))
    return learning_rate_out.value


def pretrain_create(options=None, **fields):
    """Makes a run that pretrains a language model. It takes all memory of a step.
    A step reads rows·accumulation rows; its micro-batches go through fst_model_forward (with the
        number of the micro-batch as the dropout's step), fst_model_loss (scale 1 / targets of the
        whole step) and fst_model_backward; then fst_optimizer_step. A loop of the caller's own that
        does the same gets the same bits.
    Metrics: "loss", "z_loss", "perplexity", "accuracy", "learning_rate", "gradient_norm",
        "clip_factor", "tokens" of the last step; "tokens_per_second", "seconds_left"; "epoch",
        "spikes", "rollbacks" so far; "validation_loss", "validation_perplexity" (e to the loss per
        token), "validation_bits_per_byte" (NaN where the bytes are unknown or evaluation_rows cuts
        the data short), "validation_accuracy" of the last evaluation.
    With FST_PRETRAIN_MASKED each micro-batch goes through fst_mask_tokens first, with the number of
        its first row as the draw, and only what was chosen is a target: losses, perplexities and
        "tokens" are those of masked tokens, and the mean is over all that the step chose. Each id
        sees its whole document, or row with cross_documents, never padding. Evaluations mask the
        validation rows in the same way each time. "accuracy" and "validation_accuracy" are called
        "masked_accuracy" and "validation_masked_accuracy"; there are no bits per byte.
    options: model and train are needed.
    Returns run: the caller owns it.
    Status: FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field); FST_ERR_MISMATCH where
        model, objective, tokenizer, optimizer and data do not fit each other; FST_ERR_NOT_FOUND
        where the tokenizer has no mask token; FST_ERR_STATE for data that is not packed;
        FST_ERR_NO_MEMORY.
    Since 0.1
    """
    options = _filled(PretrainOptions, options, fields)
    run_out = ctypes.c_void_p()
    _interruptible(options)
    _keep = (options,)
    with _guard(options):
        _check(_fst_pretrain_create(_reference(options), ctypes.byref(run_out)))
    return Run._adopt(run_out.value, _keep)


def sft_create(options=None, **fields):
    """Makes a run that finetunes a model. It takes all memory of a step. Dropout is on in training.
    Conversations (fst_dataset_from_conversations, fst_dataset_load_examples; then
        fst_dataset_pack): a step is that of fst_pretrain_create, over the targets that the answers
        are made of. Metrics: as there; "accuracy" and "validation_accuracy" are of these tokens.
    Labelled (fst_dataset_from_labelled, fst_dataset_load_examples): a micro-batch is
        fst_dataset_order, fst_dataset_collate to the longest of its sequences, rounded up to a
        multiple of 16 where there is room; fst_model_forward with lengths and the number of the
        micro-batch as the dropout's step; fst_model_output of the head; fst_loss_classes,
        fst_loss_labels or fst_loss_regression with weights 1 / (labels of the whole step, or the
        class weights of these); fst_model_add_gradient, fst_model_backward; a step ends with
        fst_optimizer_step. A loop of the caller's own that does the same gets the same bits. Labels
        that are missing (NaN) add nothing.
    Images with labels (images.h) likewise: instead of collating, fst_dataset_read_images with
        `augment`, where image i of micro-batch n has draw n·rows + i; the batch has images and no
        ids. In "tokens" an image counts as one.
    Metrics of labelled runs: "loss" (of the labels), "language_loss" (mean cross entropy of the
        texts' tokens; NaN where language_modelling is 0), "accuracy" (NaN for FST_SFT_MSE),
        "learning_rate", "gradient_norm", "clip_factor", "labels", "tokens" of the last step;
        "epoch", "spikes", "rollbacks" so far; of the last evaluation "validation_loss" (plain,
        without class weights) and, NaN where the objective has none: "validation_accuracy",
        "validation_f1_macro", "validation_f1_micro", "validation_mcc" (see fst_class_metrics);
        "validation_subset_accuracy" (fst_label_metrics); "validation_rmse", "validation_mae",
        "validation_pearson", "validation_spearman" (fst_regression_metrics; correlations are means
        over the outputs); "validation_top5_accuracy", the share of labels among the five largest
        outputs, NaN of fewer than five classes.
    Words with tags (words.h): as labelled, with the output of a token head of as many outputs as
        there are tags, and fst_loss_classes over all its rows, whose labels are the classes that
        fst_dataset_collate gives as targets, NaN where that is FST_IGNORE; weights 1 / (ids of the
        whole step that carry a class, or the class weights of these).
    Metrics of such runs: "loss", "accuracy" (of the ids with a class), "learning_rate",
        "gradient_norm", "clip_factor", "labels", "tokens" of the last step; "epoch", "spikes",
        "rollbacks" so far; of the last evaluation "validation_loss" (of the ids with a class,
        without class weights), "validation_accuracy" (of words) and of entities, NaN where the tags
        name none: "validation_f1", "validation_precision", "validation_recall", counted as
        conlleval does; "validation_f1_strict", "validation_precision_strict",
        "validation_recall_strict", by the scheme, NaN where it is not known. A word is told by its
        first id; words without one, and those cut away, are left out.
    options: model and train are needed; labelled and words with tags: head too.
    Returns run: the caller owns it.
    Status: FST_OK; FST_ERR_INVALID_ARGUMENT (the text names the field, or the label that the
        objective does not allow); FST_ERR_NOT_FOUND for a head that the model does not have;
        FST_ERR_MISMATCH where model, head, optimizer and data do not fit each other; FST_ERR_STATE
        for conversations that are not packed, and for data of another kind; FST_ERR_NO_MEMORY.
    Since 0.1
    """
    options = _filled(SftOptions, options, fields)
    run_out = ctypes.c_void_p()
    _interruptible(options)
    _keep = (options,)
    with _guard(options):
        _check(_fst_sft_create(_reference(options), ctypes.byref(run_out)))
    return Run._adopt(run_out.value, _keep)


def sft_confusion(run):
    """The counts behind the last evaluation of a labelled run or one on words with tags, for
        fst_metrics_classes and for printing: of FST_SFT_CROSS_ENTROPY and of words with tags
        [classes, classes], row of the label, column of the prediction; of FST_SFT_BINARY [outputs,
        2, 2] as fst_metrics_labels gives it.
    run: made by fst_sft_create.
    Returns counts: [capacity] may be NULL where capacity is 0.
    Status: FST_OK; FST_ERR_BUFFER_TOO_SMALL with count set; FST_ERR_STATE before the first
        evaluation since create or resume, and for a run of another stage or objective;
        FST_ERR_INVALID_ARGUMENT.
    Since 0.1
    """
    _capacity = 256
    _count = ctypes.c_int64()
    while True:
        counts_out = numpy.empty(_capacity, 'int64')
        _status = _fst_sft_confusion(_handle(Run, run), _address(counts_out), _capacity,
                ctypes.byref(_count))
        if _status != ERR_BUFFER_TOO_SMALL:
            break
        _capacity = _count.value
    _check(_status)
    return counts_out[:_count.value]


def sft_entities(run, strict):
    """The entities of the last evaluation of a run on words with tags, for a table by type.
    run: made by fst_sft_create.
    strict: 1: by the scheme; 0: as conlleval counts.
    Returns entities: a counter with these counts; the caller owns it.
    Status: FST_OK; FST_ERR_STATE before the first evaluation since create or resume, for a run of
        another kind, and where the tags name no entities or are of no known scheme;
        FST_ERR_INVALID_ARGUMENT; FST_ERR_NO_MEMORY.
    Since 0.1
    """
    entities_out = ctypes.c_void_p()
    _keep = (run,)
    with _guard(run):
        _check(_fst_sft_entities(_handle(Run, run), _index(strict), ctypes.byref(entities_out)))
    return Entities._adopt(entities_out.value, _keep)


def sft_tag(model, head, dataset, rows):
    """What a token head says of each word: the class of the largest output for its first id. Without
        dropout; memory is taken for the call.
    model: the model.
    head: name of a token head.
    dataset: of kind FST_EXAMPLES_TOKENS; its tags are not read.
    rows: examples of a batch, at least 1.
    Returns tags: [capacity] a class for each word that the dataset, or the one it was split from,
        was made of, in their order; FST_IGNORE for words that are in no example, were cut away, or
        of which the tokenizer leaves nothing; may be NULL where capacity is 0.
    Status: as fst_sft_predict.
    Since 0.1
    """
    head = _text(head)
    _capacity = 256
    _count = ctypes.c_int64()
    while True:
        tags_out = numpy.empty(_capacity, 'int32')
        _status = _fst_sft_tag(_handle(Model, model), head, _handle(Dataset, dataset), _index(rows),
                _address(tags_out), _capacity, ctypes.byref(_count))
        if _status != ERR_BUFFER_TOO_SMALL:
            break
        _capacity = _count.value
    _check(_status)
    return tags_out[:_count.value]


def sft_predict(model, head, dataset, rows):
    """What a sequence head says of each example: its outputs, which are logits where it was trained
        with FST_SFT_CROSS_ENTROPY or FST_SFT_BINARY. Without dropout; memory is taken for the call.
    model: the model.
    head: name of a sequence head.
    dataset: examples of any kind, not packed; their first sequences are read, or their images with
        the dataset's own mean and std.
    rows: examples of a batch, at least 1.
    Returns outputs: [capacity] the head's K outputs for each example, [examples, K]; may be NULL
        where capacity is 0.
    Status: FST_OK; FST_ERR_BUFFER_TOO_SMALL with count set, and nothing computed; FST_ERR_NOT_FOUND
        for a head that the model does not have; FST_ERR_MISMATCH where they do not fit each other;
        FST_ERR_STATE for data that is packed or has no examples; FST_ERR_NUMERIC for outputs that
        are not finite; FST_ERR_NO_MEMORY; FST_ERR_INVALID_ARGUMENT.
    Since 0.1
    """
    head = _text(head)
    _capacity = 256
    _count = ctypes.c_int64()
    while True:
        outputs_out = numpy.empty(_capacity, 'float32')
        _status = _fst_sft_predict(_handle(Model, model), head, _handle(Dataset, dataset),
                _index(rows), _address(outputs_out), _capacity, ctypes.byref(_count))
        if _status != ERR_BUFFER_TOO_SMALL:
            break
        _capacity = _count.value
    _check(_status)
    return outputs_out[:_count.value]



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
