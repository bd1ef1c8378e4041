"""How the Python module passes one C function's parameters; used by generate_python.py."""
import keyword
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import headers as reader  # noqa: E402

CTYPES = {
    "char": "c_char", "float": "c_float", "double": "c_double", "size_t": "c_size_t",
    "int8_t": "c_int8", "int16_t": "c_int16", "int32_t": "c_int32", "int64_t": "c_int64",
    "uint8_t": "c_uint8", "uint16_t": "c_uint16", "uint32_t": "c_uint32", "uint64_t": "c_uint64",
}
DTYPES = {
    "float": "float32", "double": "float64", "size_t": "uint64", "char": "int8",
    "int8_t": "int8", "int16_t": "int16", "int32_t": "int32", "int64_t": "int64",
    "uint8_t": "uint8", "uint16_t": "uint16", "uint32_t": "uint32", "uint64_t": "uint64",
}


def class_name(name):
    return "".join(part.capitalize() for part in name[len("fst_"):].split("_"))


def safe(name):
    return name + "_" if keyword.iskeyword(name) or name == "self" else name


def starts_out(doc):
    return re.match(r"(\[[^\]]*\]\s*)*out\b", doc) is not None


class Plan:
    """How one function's parameters are passed, and what comes back.

    - the first parameter, if it is of the owner's type: self
    - const char * and a following size_t length: one text; alone: a NUL-terminated text
    - const char *const *, a following const size_t *lengths, a following count: one list of texts
    - const T * and a following count: one array; where several arrays of the same count stand before it
      ("[count]" in their comments), the first one tells it; not of void *, whose count is a parameter
    - const T *const *, lengths and a count: a list of arrays
    - handle *const * whose comment begins "[count]": a list of handles, whose count stands behind
    - T * whose comment begins "[capacity…] out" or that stands before `capacity`: a buffer that is
      made here, of the size that the following out-count tells; one whose comment says "NULL: none" is
      made if the keyword of its name is true
    - a handle ** whose comment begins with "out: borrowed": a handle that does not own
    - any other T * whose comment begins with "out": a returned value; of handles, structs (with a
      following size), views and texts alike
    - any other T *: an array of the caller's
    - options and other structs with an init function: a struct, a dict or None; the last one that is
      named options also takes keyword arguments
    - a callback and a following user pointer: one Python function
    """

    def __init__(self, generator, function, owner):
        self.generator, self.function, self.owner = generator, function, owner
        self.bound = False
        self.before, self.arguments, self.after, self.results = [], [], [], []
        self.keeps, self.guards = [], []
        self.structs_out = []        # result structs, which carry the status
        self.returned = set()        # names of the parameters that come back as results
        self.buffers = []            # (name, dtype, tail, optional)
        self.buffer_room = []        # bytes of the texts given, a first guess of the room
        required, optional, last = [], [], []
        self.required, self.optional, self.last = required, optional, last
        self.adopts = False          # is a handle made?
        self.handle_count = None     # how many handles the list has
        self.list_count = None       # how many texts or arrays the list has
        self.counted_list = None     # the first list of arrays of a count behind the second
        self.counted = None          # the first array of "[count]" elements
        self.index = 0
        parameters = function.parameters
        if parameters and owner and parameters[0].type.base == owner and \
                parameters[0].type.pointers == 1 and not (
                    starts_out(parameters[0].doc) and owner not in generator.headers.opaque):
            self.bound = True
            self.index = 1
            if owner in generator.headers.opaque:
                self.arguments.append("self._pointer()")
                if owner in generator.calling_back:
                    self.guards.append("self")
            else:
                self.arguments.append("ctypes.byref(self)")
        while self.index < len(parameters):
            self.parameter(parameters[self.index])
        # A default is possible where everything behind has one too.
        ordered = required
        count = len(ordered)
        while count and ordered[count - 1][1] is not None:
            count -= 1
        self.signature = [name if i < count or default is None else f"{name}={default}"
                          for i, (name, default) in enumerate(ordered)]
        self.signature += optional
        self.signature += last

    def passed_on(self):
        """The signature's names as arguments of a call with the same signature."""
        for entry in self.signature:
            name, default = entry.partition("=")[::2]
            yield f"{name}={name}" if default else name

    def next(self, ahead=1):
        parameters = self.function.parameters
        index = self.index + ahead
        return parameters[index] if index < len(parameters) else None

    def is_count(self, parameter, of=""):
        if parameter is None or parameter.type.pointers or parameter.type.function:
            return False
        singular = re.sub(r"s$", "", of)
        return parameter.type.base in ("size_t", "int64_t", "int32_t") and parameter.name in (
            "count", "length", of + "_count", of + "_length", singular + "_count", "bytes")

    def add(self, name, doc, default=None):
        """A Python parameter; `default` None: as the comment says."""
        if default is None and "not read when" in doc:
            default = "0"
        elif default is None and re.search(r"\bNULL\b", doc):
            default = "None"
        self.required.append((safe(name), default))

    def parameter(self, parameter):
        generator, headers = self.generator, self.generator.headers
        kind, name, doc = parameter.type, parameter.name, parameter.doc
        python = safe(name)
        base = generator.scalar(kind.base) if not kind.function else ""
        following = self.next()
        used = 1
        if generator.is_callback(kind):
            owner = f"{self.function.name}_{name}"
            if kind.function:
                generator.callback_at_top(owner, kind.function)
            callback_type = generator.callback_names.get(owner, "_" + kind.base)
            self.before.append(f"{python}_c = _thunk({callback_type}, {python})")
            self.arguments.append(f"{python}_c")
            self.keeps.append(f"{python}_c")
            self.guards.append(f"{python}_c")
            self.add(name, doc)
            if following is not None and following.name.endswith("user"):
                self.arguments.append("None")
                used = 2
        elif kind.base in headers.opaque and kind.pointers == 2 and doc.startswith("[count]"):
            self.before.append(f"{python}_c = _handles({class_name(kind.base)}, {python})")
            self.arguments.append(f"{python}_c")
            self.keeps.append(python)
            self.add(name, doc)
            self.handle_count = f"len({python}_c)"
        elif kind.base in headers.opaque and kind.pointers == 2:
            self.before.append(f"{python}_out = ctypes.c_void_p()")
            self.arguments.append(f"ctypes.byref({python}_out)")
            borrowed = ", False" if re.match(r"out: borrowed", doc) else ""
            self.results.append(f"{class_name(kind.base)}._adopt({python}_out.value, _keep{borrowed})")
            self.returned.add(name)
            self.adopts = True
        elif kind.base in headers.opaque:
            self.arguments.append(f"_handle({class_name(kind.base)}, {python})")
            self.keeps.append(python)
            if kind.base in generator.calling_back:
                self.guards.append(python)
            self.add(name, doc)
        elif kind.base == "fst_view" and kind.pointers == 1:
            if kind.const:
                self.before.append(f"{python}_view = _to_view({python})")
                self.arguments.append(f"_reference({python}_view)")
                self.add(name, doc)
            else:
                self.before.append(f"{python}_view = View()")
                self.arguments.append(f"ctypes.byref({python}_view)")
                owner = "self" if self.bound else "None"
                self.returned.add(name)
                self.results.append(f"_from_view({python}_view, {owner})")
        elif kind.base in headers.structs and kind.pointers == 1:
            used = self.struct_parameter(kind, name, doc, python, following)
        elif base == "char" and kind.pointers == 2 and not self.is_list(kind, doc):
            self.returned.add(name)
            self.before.append(f"{python}_out = ctypes.c_char_p()")
            if following is not None and following.name == "length" and following.type.pointers:
                self.before[-1] = f"{python}_out = ctypes.c_void_p()"
                self.before.append("length_out = ctypes.c_size_t()")
                self.arguments += [f"ctypes.byref({python}_out)", "ctypes.byref(length_out)"]
                self.results.append(f"ctypes.string_at({python}_out, length_out.value)")
                used = 2
            else:
                self.arguments.append(f"ctypes.byref({python}_out)")
                self.results.append(f"_to_text({python}_out.value)")
        elif base == "char" and kind.pointers == 2:
            used = self.text_list(name, doc, python)
        elif base == "char" and kind.pointers == 1 and kind.const:
            self.before.append(f"{python} = _text({python})")
            self.arguments.append(python)
            self.add(name, doc)
            if following is not None and self.is_count(following, name) and \
                    following.name != "count":
                self.arguments.append(f"0 if {python} is None else len({python})")
                self.buffer_room.append(python)
                used = 2
        elif kind.pointers == 1 and not kind.const and self.before_capacity(parameter):
            used = self.buffer_parameters()
        elif kind.pointers == 1 and not kind.const and doc.startswith("out") and base != "void" \
                and not re.match(r"out,? *\[", doc):
            self.before.append(f"{python}_out = ctypes.{CTYPES[base]}()")
            self.arguments.append(f"ctypes.byref({python}_out)")
            self.results.append(f"{python}_out.value")
            self.returned.add(name)
        elif kind.pointers == 1 and base == "void" and name.endswith("user"):
            self.arguments.append("None")
        elif kind.pointers == 2 and kind.const and base in DTYPES:
            used = self.array_list(name, doc, python, base)
        elif kind.pointers == 1:
            convert = "_input" if kind.const else "_output"
            dtype = repr(DTYPES.get(base)) if base != "void" else "None"
            self.before.append(f"{python} = {convert}({python}, {dtype})")
            self.arguments.append(f"_address({python})")
            self.keeps.append(python)
            self.add(name, doc)
            if base == "void":  # rows whose size the call does not tell: their count is given
                pass
            elif doc.startswith("[count]"):
                self.counted = self.counted or python
                if python != self.counted:
                    self.before.append(
                        f"_same_size({python}, {self.counted}, '{python}', '{self.counted}')")
            if base == "void":
                pass
            elif self.handle_count and doc.startswith("[count]"):
                self.before.append(f"_room({python}, {self.handle_count}, '{python}')")
            elif self.list_count and doc.startswith("[count] out"):
                self.before.append(f"_room({python}, {self.list_count}, '{python}')")
            elif (kind.const or self.counted == python) and self.is_count(following, name) and \
                    not doc.startswith("[count,"):
                told = self.counted if following.name == "count" and self.counted else python
                self.arguments.append(f"0 if {told} is None else {told}.size")
                used = 2
        elif self.handle_count and self.is_count(parameter):
            self.arguments.append(self.handle_count)
        else:
            convert = "float" if base in ("float", "double") else "_index"
            self.arguments.append(f"{convert}({python})")
            self.add(name, doc)
        self.index += used

    def is_list(self, kind, doc):
        return kind.const and not doc.startswith("out")

    def struct_parameter(self, kind, name, doc, python, following):
        cls = class_name(kind.base)
        generator = self.generator
        if not kind.const and (starts_out(doc) or (following is not None and following.name == "size"
                                                   and kind.base not in generator.filled)):
            sized = following is not None and following.name == "size"
            self.before.append(f"{python}_out = {cls}()")
            self.arguments.append(f"ctypes.byref({python}_out)")
            if sized:
                self.arguments.append(f"ctypes.sizeof({python}_out)")
            self.results.append(f"{python}_out")
            self.structs_out.append(f"{python}_out")
            self.returned.add(name)
            return 2 if sized else 1
        if name == "options" and kind.base in generator.filled:
            self.before.append(f"options = _filled({cls}, options, fields)")
            self.optional.append("options=None")
            self.last.append("**fields")
        else:
            self.before.append(f"{python} = _filled({cls}, {python}, {{}})")
            self.add(name, doc)
        self.arguments.append(f"_reference({python})")
        self.keeps.append(python)
        if kind.base in generator.with_callbacks:
            self.guards.append(python)
        return 1

    def text_list(self, name, doc, python):
        used = 1
        self.before.append(f"{python}_c, {python}_lengths, {python}_count = _texts({python})")
        self.arguments.append(f"{python}_c")
        self.keeps.append(f"{python}_c")
        following = self.next(used)
        if following is not None and following.type.base == "size_t" and \
                following.type.pointers == 1 and following.type.const:
            self.arguments.append(f"{python}_lengths")
            used += 1
        if self.is_count(self.next(used), name):
            self.arguments.append(f"{python}_count")
            self.list_count = f"{python}_count"
            used += 1
        self.add(name, doc)
        return used

    def array_list(self, name, doc, python, base):
        """const T *const *, const int64_t *lengths, count: a list of arrays. Of two lists of one count
        it stands behind the second."""
        lengths, count = self.next(1), self.next(2)
        counted = self.is_count(count, name)
        if lengths is None or not lengths.name.endswith("lengths") or not (
                counted or count is not None and count.type.pointers == 2):
            raise reader.HeaderError(f"{self.function.name}: {name} needs lengths and a count behind")
        dtype, integer = DTYPES[base], DTYPES[lengths.type.base]
        self.before.append(f"{python}, {python}_c, {python}_lengths = "
                           f"_arrays({python}, '{dtype}', '{integer}')")
        self.arguments += [f"{python}_c", f"_address({python}_lengths)"]
        self.keeps.append(python)
        self.add(name, doc)
        if not counted:
            self.counted_list = python
            return 2
        if self.counted_list:
            self.before.append(f"_same_count({self.counted_list}, {python}, "
                               f"'{self.counted_list}', '{python}')")
        self.arguments.append(f"len({python})")
        self.list_count = f"len({python})"
        return 3

    def before_capacity(self, parameter):
        """Is it one of the arrays that stand right before a `capacity` with an out-count behind?"""
        parameters = self.function.parameters
        index = self.index
        while index < len(parameters) and parameters[index].type.pointers == 1 and \
                not parameters[index].type.const:
            index += 1
        return (index + 1 < len(parameters) and index > self.index and
                parameters[index].name == "capacity" and
                parameters[index + 1].type.pointers == 1 and
                parameters[index + 1].type.base in ("size_t", "int64_t", "int32_t"))

    def buffer_parameters(self):
        parameters = self.function.parameters
        used = 0
        while parameters[self.index + used].name != "capacity":
            each = parameters[self.index + used]
            tail = re.match(r"out, \[capacity\]\[(\d+)\]", each.doc)
            optional = "NULL: none" in each.doc
            name = safe(each.name)
            if not optional:
                self.returned.add(each.name)
            self.buffers.append((name, each.type.base, int(tail.group(1)) if tail else 0, optional))
            self.arguments.append(f"_address({name}_out)")
            if optional:
                self.optional.append(f"{name}=False")
            used += 1
        self.arguments += ["_capacity", "ctypes.byref(_count)"]
        self.count_type = CTYPES[self.generator.scalar(parameters[self.index + used + 1].type.base)]
        return used + 2

    def body(self):
        function, generator = self.function, self.generator
        lines = list(self.before)
        keeps = [each for each in self.keeps]
        if self.bound and self.owner in generator.headers.opaque:
            keeps.insert(0, "self")
        if self.adopts and any(p.type.base == "fst_run" for p in function.parameters) and \
                "options" in keeps:
            lines.append("_interruptible(options)")
        if self.adopts:
            lines.append(f"_keep = ({', '.join(keeps)}{',' if keeps else ''})")
        call = f"_{function.name}({', '.join(self.arguments)})"
        status = function.result.base == "fst_status" and not function.result.pointers
        guard = f"with _guard({', '.join(dict.fromkeys(self.guards))}):" if self.guards else ""
        if self.buffers:
            return lines + self.buffer_body(call)
        if status:
            action = f"_check({call})" if self.results else f"return _check({call})"
            if len(self.structs_out) == 1:
                action = f"object.__setattr__({self.structs_out[0]}, 'status', _check({call}))"
            # A setter's callback is called later on; any other's during the call only.
            if self.bound and self.owner in generator.headers.opaque and \
                    re.search(r"_(set|add|attach)_", function.name) and \
                    any(generator.is_callback(p.type) for p in function.parameters):
                kept = ", ".join(each for each in self.keeps if each.endswith("_c"))
                lines.append(f"self._also_keep({kept})")
            lines += [guard, "    " + action] if guard else [action]
            if self.results:
                lines.append("return " + ", ".join(self.results))
            return lines
        lines.append(f"_result = {call}")
        lines.append("_raise_pending()")
        result = function.result
        if result.base in generator.headers.opaque:
            owner = "(self,)" if self.bound else "()"
            lines.append(f"_result = {class_name(result.base)}._adopt(_result, {owner}, False) "
                         "if _result else None")
        elif generator.scalar(result.base) == "char" and result.pointers:
            lines.append("_result = _to_text(_result)")
        if result.base == "void" and not result.pointers:
            lines[-2] = call
            if self.results:
                lines.append("return " + ", ".join(self.results))
        else:
            lines.append("return " + ", ".join(["_result"] + self.results))
        return lines

    def buffer_body(self, call):
        """Calls with a guess of the room, and once more with the room that the count tells."""
        guess = " + ".join(f"len({name} or b'')" for name in self.buffer_room)
        lines = [f"_capacity = {guess + ' + 16' if guess else '256'}",
                 f"_count = ctypes.{self.count_type}()",
                 "while True:"]
        for name, base, tail, optional in self.buffers:
            shape = f"(_capacity, {tail})" if tail else "_capacity"
            made = f"numpy.empty({shape}, '{DTYPES[base]}')"
            if optional:
                made += f" if {name} else None"
            lines.append(f"    {name}_out = {made}")
        lines += [f"    _status = {call}",
                  "    if _status != ERR_BUFFER_TOO_SMALL:",
                  "        break",
                  "    _capacity = _count.value",
                  "_check(_status)"]
        fixed, extra = [], []
        for name, base, tail, optional in self.buffers:
            value = (f"{name}_out[:_count.value].tobytes()" if base == "char"
                     else f"{name}_out[:_count.value]")
            (extra if optional else fixed).append((name, value))
        first = ", ".join([value for _, value in fixed] + self.results)
        for name, value in extra:
            lines += [f"if {name}:", f"    return {first}, {value}"]
        lines.append(f"return {first}")
        return lines
