"""Reads the public headers.

Their grammar is kept regular on purpose (no conditionals around declarations, no variadics, no
inline functions), so that a hundred lines of tokens and recursive descent understand all of it. What
does not fit raises HeaderError with file and line. Used by the generator of the Python module and by
the checks in tests/abi.
"""
import re
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SCALARS = ("void", "char", "float", "double", "size_t",
           "int8_t", "int16_t", "int32_t", "int64_t",
           "uint8_t", "uint16_t", "uint32_t", "uint64_t")
REFUSED = ("enum", "union", "bool", "_Bool", "long", "short", "int", "unsigned", "signed",
           "inline", "static", "extern", "volatile", "restrict", "_Complex", "intptr_t",
           "uintptr_t", "ssize_t", "off_t", "time_t", "wchar_t", "va_list", "FILE")


class HeaderError(Exception):
    pass


@dataclass
class Type:
    base: str                     # a scalar, or a name that a header defines
    pointers: int = 0
    const: bool = False           # what the (first) pointer points to is const
    array: list = field(default_factory=list)   # lengths as written
    function: object = None       # a Function if this is a pointer to one


@dataclass
class Parameter:
    name: str
    type: Type
    doc: str = ""


@dataclass
class Function:
    name: str
    result: Type
    parameters: list
    doc: str = ""
    where: str = ""


@dataclass
class Struct:
    name: str
    fields: list                  # Parameter each
    doc: str = ""
    where: str = ""


@dataclass
class Named:
    """An opaque handle, a scalar alias, a callback type or a constant."""
    name: str
    value: object = None
    doc: str = ""
    where: str = ""


class Headers:
    def __init__(self):
        self.opaque, self.aliases, self.callbacks = {}, {}, {}
        self.structs, self.functions, self.constants = {}, {}, {}
        self.files = []


TOKEN = re.compile(r"""
    (?P<doc>/\*\*(?!/).*?\*/) | (?P<comment>/\*.*?\*/) |
    (?P<directive>^[ \t]*\#(?:\\\n|/\*.*?\*/|[^\n])*) |
    (?P<word>[A-Za-z_]\w*) | (?P<number>\d\w*) | (?P<dots>\.\.\.) | (?P<string>"[^"\n]*") |
    (?P<mark>[(){}\[\];,*:=]) | (?P<space>\s+)""", re.X | re.S | re.M)


def clean(comment):
    """The text of a documentation comment, without its frame."""
    text = re.sub(r"^/\*\*<?|\*/$", "", comment)
    return "\n".join(re.sub(r"^\s*\*? ?", "", line) for line in text.splitlines()).strip()


def parameter_docs(doc):
    """{name: text} of the @param entries."""
    parts = re.split(r"@(\w+)", doc)
    found = {}
    for tag, text in zip(parts[1::2], parts[2::2]):
        if tag == "param" and text.split():
            name, _, rest = text.strip().partition(" ")
            found[name] = " ".join(rest.split())
    return found


class Parser:
    def __init__(self, path, headers):
        self.path, self.headers = path, headers
        self.text = path.read_text(encoding="utf-8")
        self.tokens, self.index = [], 0
        self.conditions = []      # kinds of the preprocessor conditions that are open
        self.scan()

    def fail(self, message, position=None):
        if position is None:
            position = self.tokens[min(self.index, len(self.tokens) - 1)][2] if self.tokens else 0
        line = self.text.count("\n", 0, position) + 1
        raise HeaderError(f"{self.path.name}:{line}: {message}")

    def where(self):
        position = self.tokens[self.index][2]
        return f"{self.path.name}:{self.text.count(chr(10), 0, position) + 1}"

    def scan(self):
        position, skipping = 0, False
        while position < len(self.text):
            match = TOKEN.match(self.text, position)
            if not match:
                self.fail(f"unexpected character {self.text[position]!r}", position)
            kind, value = match.lastgroup, match.group()
            if kind == "directive":
                skipping = self.directive(value, position, skipping)
            elif kind == "doc" and not skipping:
                self.tokens.append((kind, value, position))
            elif kind in ("word", "number", "mark", "dots", "string") and not skipping:
                if value in REFUSED:
                    self.fail(f"'{value}' is not allowed in a public header", position)
                if kind == "dots":
                    self.fail("no variadic functions in a public header", position)
                self.tokens.append((kind, value, position))
            position = match.end()
        self.tokens.append(("end", "", position))

    def directive(self, line, position, skipping):
        """Only include guards, the C++ frame, FST_API's definition and constants."""
        words = line.strip().lstrip("#").split()
        name = words[0] if words else ""
        condition = " ".join(words[1:])
        if name == "ifdef" and condition == "__cplusplus":
            self.conditions.append("c++")
        elif name == "ifndef" and condition.startswith("FOURSTAGE_"):
            self.conditions.append("guard")
        elif name == "if" and condition == "defined(__GNUC__)":
            self.conditions.append("compiler")
        elif name == "else" and self.conditions and self.conditions[-1] == "compiler":
            pass
        elif name == "endif" and self.conditions:
            self.conditions.pop()
        elif name == "include":
            pass
        elif name == "define":
            self.define(line, position)
        else:
            self.fail(f"no '#{name} {condition}' in a public header", position)
        return "c++" in self.conditions or "compiler" in self.conditions

    def define(self, line, position):
        match = re.match(r"\s*#\s*define\s+(\w+)(\()?\s*(.*)", line, re.S)
        name, arguments, rest = match.groups()
        if self.conditions and self.conditions[-1] == "compiler" and name == "FST_API":
            return
        if name.startswith("FOURSTAGE_") and name.endswith("_H") and not rest:
            return
        if arguments:
            self.fail(f"macro {name} takes arguments", position)
        if not name.startswith("FST_"):
            self.fail(f"macro {name} does not begin with FST_", position)
        value = re.sub(r"/\*.*?\*/", "", rest, flags=re.S).strip()
        comment = re.search(r"/\*\*<.*?\*/", rest, re.S)
        if comment:
            doc = clean(comment.group())
        elif self.tokens and self.tokens[-1][0] == "doc":
            doc = clean(self.tokens.pop()[1])
        else:
            doc = ""
        where = f"{self.path.name}:{self.text.count(chr(10), 0, position) + 1}"
        if re.fullmatch(r"-?\d+|-?0x[0-9a-fA-F]+", value.strip("()")):
            number = int(value.strip("()"), 0)
        elif re.fullmatch(r"-?\d+\.\d*(e-?\d+)?", value.strip("()")):
            number = float(value.strip("()"))
        elif re.fullmatch(r'"[^"\\]*"', value):
            number = value[1:-1]
        elif value in self.headers.constants:
            number = self.headers.constants[value].value
        else:
            self.fail(f"the value of {name} is not a plain number or string: {value}", position)
        self.headers.constants[name] = Named(name, number, doc, where)

    # Declarations.

    def peek(self):
        return self.tokens[self.index][1]

    def take(self, expected=None):
        kind, value, _ = self.tokens[self.index]
        if expected is not None and value != expected:
            self.fail(f"expected '{expected}', found '{value}'")
        self.index += 1
        return value

    def word(self):
        if self.tokens[self.index][0] != "word":
            self.fail(f"expected a name, found '{self.peek()}'")
        return self.take()

    def documentation(self):
        """Comments before a declaration; the last one belongs to it."""
        doc = ""
        while self.tokens[self.index][0] == "doc" and not self.peek().startswith("/**<"):
            doc = clean(self.take())
        return doc

    def trailing(self):
        if self.tokens[self.index][0] == "doc" and self.peek().startswith("/**<"):
            return clean(self.take())
        return ""

    def parse(self):
        while self.tokens[self.index][0] != "end":
            doc = self.documentation()
            if self.tokens[self.index][0] == "end":
                break
            where = self.where()
            if self.peek() == "typedef":
                self.typedef(doc, where)
            elif self.peek() == "FST_API":
                self.take()
                function = self.function(doc, where)
                self.take(";")
                function.doc = function.doc or self.trailing()
                self.headers.functions[function.name] = function
            elif self.peek() == "struct":
                self.struct(doc, where)
                self.take(";")
            else:
                self.fail(f"expected typedef, struct or FST_API, found '{self.peek()}'")

    def typedef(self, doc, where):
        self.take("typedef")
        if self.peek() == "struct":
            self.take()
            tag = self.word()
            if self.peek() == "{":
                self.fields(tag, doc, where)
                name = self.word()
                if name != tag:
                    self.fail(f"struct {tag} has the typedef name {name}")
            else:
                name = self.word()
                if name != tag:
                    self.fail(f"struct {tag} has the typedef name {name}")
                if name not in self.headers.structs:
                    self.headers.opaque.setdefault(name, Named(name, None, doc, where))
            self.take(";")
            return
        base = self.type()
        if self.peek() == "(":
            parameter = self.function_pointer(base)
            parameter.type.function.doc, parameter.type.function.where = doc, where
            self.headers.callbacks[parameter.name] = parameter.type.function
        else:
            name = self.word()
            self.headers.aliases[name] = Named(name, base, doc, where)
        self.take(";")

    def struct(self, doc, where):
        self.take("struct")
        tag = self.word()
        self.fields(tag, doc or getattr(self.headers.opaque.get(tag), "doc", ""), where)

    def fields(self, tag, doc, where):
        self.headers.opaque.pop(tag, None)
        self.take("{")
        fields = []
        while self.peek() != "}":
            text = self.documentation()
            base = self.type()
            group = []
            while True:
                if self.peek() == "(":
                    member = self.function_pointer(base)
                else:
                    kind = Type(base.base, base.pointers, base.const)
                    while self.peek() == "*":  # a second declarator's own star
                        self.take()
                        kind.pointers += 1
                    member = Parameter(self.word(), kind)
                    if self.peek() == ":":
                        self.fail("no bit-fields in a public header")
                    self.lengths(member.type)
                group.append(member)
                if self.peek() != ",":
                    break
                self.take()
            self.take(";")
            text = text or self.trailing()
            for member in group:
                member.doc = text
            fields.extend(group)
        self.take("}")
        self.headers.structs[tag] = Struct(tag, fields, doc, where)

    def lengths(self, kind):
        while self.peek() == "[":
            self.take()
            kind.array.append(self.take())
            self.take("]")

    def length(self, text):
        return int(text, 0) if text[0].isdigit() else self.headers.constants[text].value

    def type(self):
        const = False
        if self.peek() == "const":
            self.take()
            const = True
        if self.peek() == "struct":
            self.take()
        base = self.word()
        if self.peek() == "const":
            self.take()
            const = True
        pointers = 0
        while self.peek() in ("*", "const"):
            if self.take() == "*":
                pointers += 1
        return Type(base, pointers, const)

    def function(self, doc, where):
        result = self.type()
        name = self.word()
        function = Function(name, result, self.parameters(), doc, where)
        docs = parameter_docs(doc)
        for parameter in function.parameters:
            parameter.doc = docs.get(parameter.name, "")
        return function

    def function_pointer(self, result):
        self.take("(")
        self.take("*")
        name = self.word()
        self.take(")")
        where = self.where()
        return Parameter(name, Type("", function=Function(name, result, self.parameters(), "", where)))

    def parameters(self):
        self.take("(")
        if self.peek() == "void" and self.tokens[self.index + 1][1] == ")":
            self.take()
            self.take(")")
            return []
        found = []
        while True:
            base = self.type()
            if self.peek() == "(":
                found.append(self.function_pointer(base))
            else:
                name = self.word() if self.tokens[self.index][0] == "word" else ""
                if not name:
                    self.fail("a parameter has no name")
                self.lengths(base)
                found.append(Parameter(name, base))
            if self.peek() != ",":
                break
            self.take()
        self.take(")")
        return found


def inherit(function, headers):
    """A comment that says "As fst_other" takes over the other's @param entries."""
    same = re.match(r"As (fst_\w+)", function.doc)
    if same and same.group(1) in headers.functions:
        other = {p.name: p.doc for p in headers.functions[same.group(1)].parameters}
        for parameter in function.parameters:
            parameter.doc = parameter.doc or other.get(parameter.name, "")


def order(files):
    """Headers after those that they include."""
    by_name = {path.name: path for path in files}
    done, found = set(), []

    def visit(path):
        if path.name in done:
            return
        done.add(path.name)
        for name in re.findall(r'#\s*include\s+"fourstage/(\w+\.h)"', path.read_text("utf-8")):
            if name in by_name:
                visit(by_name[name])
        found.append(path)

    for path in sorted(files):
        visit(path)
    return found


def read(folder=ROOT / "include" / "fourstage"):
    headers = Headers()
    headers.files = order(sorted(Path(folder).glob("*.h")))
    for path in headers.files:
        Parser(path, headers).parse()
    for function in headers.functions.values():
        inherit(function, headers)
    return headers
