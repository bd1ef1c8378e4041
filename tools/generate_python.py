"""Writes examples/python/fourstage.py from the public headers and tools/fourstage_runtime.py.

    python3 tools/generate_python.py           write it
    python3 tools/generate_python.py --check   fail if it differs from what is there

fst_<noun>_<verb>(noun, …) becomes a method of class <Noun>; one that makes a <noun> a static method;
fst_<noun>_create also the constructor; anything else a function of the module. How a parameter is
passed follows from its type, its name and the first word of its documentation ("out"), as the
comments of `Plan` say.
"""
import difflib
import re
import sys
import textwrap
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import headers as reader  # noqa: E402
from python_plan import CTYPES, DTYPES, Plan, class_name, safe  # noqa: E402

TEMPLATE = Path(__file__).with_name("fourstage_runtime.py")
OUTPUT = reader.ROOT / "examples" / "python" / "fourstage.py"

WIDTH = 100


def wrapped(line):
    """A line of code cut behind commas inside brackets, where it is too long."""
    pad = " " * (len(line) - len(line.lstrip()) + 8)
    lines, open_brackets = [], 0
    while len(line) > WIDTH:
        depth, cut = open_brackets, None
        for position, character in enumerate(line[:WIDTH]):
            depth += (character in "([{") - (character in ")]}")
            if character == "," and depth > 0 and line[position + 1:position + 2] == " ":
                cut, open_at_cut = position + 1, depth
        if cut is None:
            break
        lines.append(line[:cut])
        line, open_brackets = pad + line[cut + 1:], open_at_cut
    return "\n".join(lines + [line])


def paragraph(text, indent):
    return "\n".join(textwrap.wrap(text, WIDTH - indent, subsequent_indent="    ",
                                   break_long_words=False, break_on_hyphens=False)) or text


def docstring(text, indent):
    text = "\n".join(paragraph(line, indent) if len(line) > WIDTH - indent - 3 else line
                     for line in text.splitlines())
    lines = text.replace("\\", "\\\\").replace('"""', "'''").splitlines() or [""]
    pad = " " * indent
    if len(lines) == 1:
        return f'{pad}"""{lines[0]}"""'
    return "\n".join([f'{pad}"""{lines[0]}'] + [(pad + line).rstrip() for line in lines[1:]]
                     + [f'{pad}"""'])


def described(doc):
    """The comment as a docstring: tags become lines."""
    doc = "\n".join(" ".join(each.split()) for each in doc.split("\n\n"))
    text = re.sub(r"\s*@param (\w+)\s*", r"\n\1: ", doc)
    text = re.sub(r"\s*@return\s*", "\nStatus: ", text)
    text = re.sub(r"\s*@since\s*", "\nSince ", text)
    return text.strip()


def explained(function, plan):
    """A function's comment as a docstring: what Python passes, and what comes back."""
    parts = re.split(r"@(\w+)", function.doc)
    lines = [" ".join(each.split()) for each in parts[0].split("\n\n") if each.strip()]
    taken = {re.split(r"=", name)[0].strip("*") for name in plan.signature}
    inputs, outputs, tail = [], [], []
    for parameter in function.parameters:
        text = " ".join(parameter.doc.split())
        if parameter.name in plan.returned:
            text = re.sub(r"^(\[[^\]]*\]\s*)?out[:,;.]?\s*", r"\1", text)
            outputs.append(f"Returns {parameter.name}: {text}".rstrip(": "))
        elif safe(parameter.name) in taken:
            inputs.append(f"{safe(parameter.name)}: {text}")
    for tag, text in zip(parts[1::2], parts[2::2]):
        text = " ".join(text.split())
        if tag == "return":
            status = function.result.base == "fst_status"
            tail.append(("Status: " if status else "Returns ") + text)
        elif tag == "since":
            tail.append("Since " + text)
    return "\n".join(lines + inputs + outputs + tail)


class Generator:
    def __init__(self, headers, hand_written):
        self.headers, self.hand_written = headers, hand_written
        self.callback_names = {}
        self.lines = []
        # Structs that a caller fills, and handles whose creation takes callbacks.
        self.filled = {name for name in headers.structs if name + "_init" in headers.functions}
        self.with_callbacks = {name for name, struct in headers.structs.items()
                               if any(self.can_stop(f) for f in struct.fields)}
        self.with_callbacks |= {name for name, struct in headers.structs.items()
                                if any(f.type.base in self.with_callbacks for f in struct.fields)}
        self.calling_back = set()
        for function in headers.functions.values():
            takes = any(self.can_stop(p) or p.type.base in self.with_callbacks
                        for p in function.parameters)
            for p in function.parameters:
                if takes and p.type.base in headers.opaque and (
                        p.type.pointers == 2 or "_set_" in function.name):
                    self.calling_back.add(p.type.base)

    def is_callback(self, kind):
        return kind.function is not None or kind.base in self.headers.callbacks

    def can_stop(self, parameter):
        """Is it a callback whose result is heeded, so that Ctrl-C can be passed on through it?"""
        kind = parameter.type
        function = kind.function or self.headers.callbacks.get(kind.base)
        return function is not None and parameter.name != "log" and \
            function.result.base in ("int32_t", "fst_status") and not function.result.pointers

    def scalar(self, base):
        while base in self.headers.aliases:
            base = self.headers.aliases[base].value.base
        return base

    # ctypes spellings.

    def ctype(self, kind, owner=""):
        if self.is_callback(kind):
            return self.callback_names[owner]
        if kind.base in self.headers.opaque:
            return "ctypes.c_void_p"
        if kind.base in self.headers.structs:
            name = class_name(kind.base)
            return name if not kind.pointers else f"ctypes.POINTER({name})"
        base = self.scalar(kind.base)
        if base == "void":
            text = "None" if not kind.pointers else "ctypes.c_void_p"
        elif base == "char" and kind.pointers:
            text = "ctypes.c_char_p"
            for _ in range(kind.pointers - 1):
                text = f"ctypes.POINTER({text})"
        else:
            text = "ctypes." + CTYPES[base]
            for _ in range(kind.pointers):
                text = f"ctypes.POINTER({text})"
        for length in reversed(kind.array):
            number = length if length[0].isdigit() else self.headers.constants[length].value
            text = f"{text} * {number}"
        return text

    def argtype(self, kind):
        """Pointers are passed as addresses; only texts and callbacks have a type of their own."""
        if self.is_callback(kind) or kind.array:
            return "ctypes.c_void_p"
        if kind.pointers:
            return "ctypes.c_char_p" if (self.scalar(kind.base) == "char" and kind.pointers == 1
                                         and kind.const) else "ctypes.c_void_p"
        return "ctypes." + CTYPES[self.scalar(kind.base)]

    # Callback types.

    def callback(self, owner, function):
        arguments, converters = [], []
        has_user = bool(function.parameters) and function.parameters[-1].name.endswith("user")
        visible = function.parameters[:-1] if has_user else function.parameters
        for parameter in function.parameters:
            kind = parameter.type
            written = self.scalar(kind.base) == "char" and kind.pointers == 1 and not kind.const
            arguments.append("ctypes.c_void_p" if written     # a text would come as a copy
                             else self.ctype(kind, owner + "_" + parameter.name))
        for parameter in visible:
            kind = parameter.type
            if kind.base in self.headers.structs and kind.pointers == 1:
                converters.append("_from_pointer")
            elif kind.base in self.headers.opaque:
                converters.append(f"lambda address: {class_name(kind.base)}._adopt(address, (), False)")
            elif self.scalar(kind.base) == "char" and kind.pointers == 1 and kind.const:
                converters.append("_to_text")
            else:
                converters.append("None")
        name = "_" + owner
        result = self.ctype(function.result)
        shown = ", ".join(converters) + ("," if converters else "")
        self.emit(f"{name} = _callback_type({result}, ({shown}), {has_user}"
                  + "".join(", " + each for each in arguments) + ")")
        self.callback_names[owner] = name

    def callback_at_top(self, owner, function):
        """A parameter's callback type, written before the classes."""
        if owner not in self.callback_names:
            lines, self.lines = self.lines, []
            self.callback(owner, function)
            lines[self.callback_position:self.callback_position] = self.lines
            self.callback_position += len(self.lines)
            self.lines = lines

    def emit(self, text=""):
        self.lines.append(text if '"""' in text else wrapped(text))

    # Structs.

    def struct(self, name, struct):
        for member in struct.fields:
            if member.type.function:
                self.callback(f"{name}_{member.name}", member.type.function)
            elif member.type.base in self.headers.callbacks:
                self.callback_names[f"{name}_{member.name}"] = "_" + member.type.base
        self.emit()
        self.emit(f"class {class_name(name)}(Struct):")
        fields = "\n".join(f"{safe(m.name)}: {' '.join(m.doc.split())}" for m in struct.fields
                           if m.name != "struct_size")
        self.emit(docstring(described(struct.doc) + "\n\n" + fields, 4))
        if name in self.filled:
            self.emit(f'    _init_ = "{name}_init"')
        writable = [m.name for m in struct.fields if m.type.pointers and not m.type.const
                    and not self.is_callback(m.type) and m.type.base in DTYPES]
        if writable:
            self.emit(f"    _writable_ = {tuple(writable)!r}")
        self.emit("    _fields_ = [")
        for member in struct.fields:
            self.emit(f'        ("{member.name}", {self.ctype(member.type, f"{name}_{member.name}")}),')
        self.emit("    ]")
        self.emit("    _kinds_ = dict(_fields_)")
        self.emit()

    # Functions.

    def class_of(self, name):
        """Handle or struct whose name the function's name begins with; the longest wins."""
        found = [each for each in list(self.headers.opaque) + list(self.headers.structs)
                 if name.startswith(each + "_")]
        return max(found, key=len) if found else None

    def method(self, function, owner):
        plan = Plan(self, function, owner)
        indent = 4 if owner else 0
        pad = " " * indent
        verb = safe(function.name[len(owner) + 1:] if owner else function.name[len("fst_"):])
        if owner and not plan.bound:
            self.emit(f"{pad}@staticmethod")
        signature = (["self"] if plan.bound else []) + plan.signature
        self.emit(f"{pad}def {verb}({', '.join(signature)}):")
        self.emit(docstring(explained(function, plan), indent + 4))
        for line in plan.body():
            self.emit(pad + "    " + line)
        self.emit()
        if owner and verb == "create" and not plan.bound:
            self.emit(f"{pad}def __init__({', '.join(['self'] + plan.signature)}):")
            self.emit(f'{pad}    """As create."""')
            self.emit(f"{pad}    made = {class_name(owner)}.create({', '.join(plan.passed_on())})")
            self.emit(f"{pad}    self._take(made._address, made._keep)")
            self.emit(f"{pad}    made._owned = False")
            self.emit()

    def generate(self):
        headers = self.headers
        self.emit()
        for name, constant in headers.constants.items():
            value = repr(constant.value)
            self.emit(f"{name[len('FST_'):]} = {value}")
        self.emit()
        self.emit("_FUNCTIONS = {}")
        # A callback type comes before the first struct that has it as a field, else behind the structs.
        written = set()
        for name, struct in headers.structs.items():
            for member in struct.fields:
                if member.type.base in headers.callbacks and member.type.base not in written:
                    written.add(member.type.base)
                    self.callback(member.type.base, headers.callbacks[member.type.base])
            self.struct(name, struct)
        for name, function in headers.callbacks.items():
            if name not in written:
                self.callback(name, function)
        self.emit()
        self.emit("STRUCTS = {")
        for name in headers.structs:
            self.emit(f'    "{name}": {class_name(name)},')
        self.emit("}")
        self.emit()
        for name, function in headers.functions.items():
            arguments = "".join(", " + self.argtype(p.type) for p in function.parameters)
            result = self.ctype(function.result)
            if self.scalar(function.result.base) not in ("void", "char") and function.result.pointers:
                result = "ctypes.c_void_p"
            self.emit(f'_{name} = _FUNCTIONS["{name}"] = _bind("{name}", {result}{arguments})')
        self.emit("_last_error = _fst_last_error")
        self.callback_position = len(self.lines)
        self.emit()
        by_class = {}
        for name, function in headers.functions.items():
            if name in self.hand_written or name.endswith("_init") and name[:-5] in self.filled:
                continue
            owner = self.class_of(name)
            if owner in headers.opaque and name == owner + "_destroy":
                continue
            by_class.setdefault(owner, []).append(function)
        for name, handle in headers.opaque.items():
            self.emit()
            self.emit(f"class {class_name(name)}(Handle):")
            self.emit(docstring(described(handle.doc), 4))
            self.emit(f'    _destroy_ = "{name}_destroy"')
            self.emit()
            for function in by_class.get(name, []):
                self.method(function, name)
        for name in headers.structs:
            for function in by_class.get(name, []):
                self.attached(function, name)
        for function in by_class.get(None, []):
            self.emit()
            self.method(function, None)
        return "\n".join(self.lines)

    def attached(self, function, owner):
        """A struct's method is written after all classes and put into its class then."""
        plan = Plan(self, function, owner)
        verb = safe(function.name[len(owner) + 1:])
        self.emit()
        self.emit(f"def _{function.name[4:]}({', '.join((['self'] if plan.bound else []) + plan.signature)}):")
        self.emit(docstring(explained(function, plan), 4))
        for line in plan.body():
            self.emit("    " + line)
        self.emit()
        self.emit()
        wrapped = f"_{function.name[4:]}" if plan.bound else f"staticmethod(_{function.name[4:]})"
        self.emit(f"{class_name(owner)}.{verb} = {wrapped}")


def render():
    template = TEMPLATE.read_text(encoding="utf-8")
    hand_written = set(re.findall(r"^# replaces (fst_\w+)", template, re.M))
    generator = Generator(reader.read(), hand_written)
    return template.replace("# @generated@\n", generator.generate() + "\n")


def main(arguments):
    text = render()
    if "--check" not in arguments:
        OUTPUT.parent.mkdir(parents=True, exist_ok=True)
        OUTPUT.write_text(text, encoding="utf-8")
        return 0
    present = OUTPUT.read_text(encoding="utf-8") if OUTPUT.exists() else ""
    if present == text:
        return 0
    sys.stdout.writelines(difflib.unified_diff(present.splitlines(True), text.splitlines(True),
                                               "examples/python/fourstage.py", "generated"))
    print("examples/python/fourstage.py is not what the headers give: "
          "run python3 tools/generate_python.py")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
