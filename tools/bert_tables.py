"""Writes lib/tokenizer/bert_tables.c: what Hugging Face `tokenizers` takes a code point for in BERT's
normalizer and pre-tokenizer.

usage: bert_tables.py > lib/tokenizer/bert_tables.c

Its control characters, marks and punctuation are those of the Unicode version that its crates were
made with, which is older than that of its lower case. So each code point is put through the
components themselves. Needs the package `tokenizers`.
"""
import unicodedata

import tokenizers
from tokenizers import normalizers, pre_tokenizers

POINTS = [p for p in range(0x110000) if not 0xD800 <= p < 0xE000]
HIGHEST_MARK = "\u0345"  # class 240: every other mark sorts before it


def bert(**on):
    options = dict(clean_text=False, handle_chinese_chars=False, strip_accents=False, lowercase=False)
    return normalizers.BertNormalizer(**{**options, **on})


def runs(values):
    """[first, last, value] of neighbours with one value."""
    found = []
    for point, value in sorted(values.items()):
        if found and found[-1][1] == point - 1 and found[-1][2] == value:
            found[-1][1] = point
        else:
            found.append([point, point, value])
    return found


def table(comment, type_name, name, rows):
    lines, line = [], "   "
    for row in rows:
        cell = " {" + ", ".join("0x%X" % v if i < 2 else "%d" % v for i, v in enumerate(row)) + "},"
        if len(line) + len(cell) > 118:
            lines.append(line)
            line = "   "
        line += cell
    lines.append(line)
    return "/* %s */\nconst %s fst__bert_%s[] = {\n%s\n};\nconst size_t fst__bert_%s_count = %d;\n" % (
        comment, type_name, name, "\n".join(lines), name, len(rows))


def marks():
    """Class 255: stripped, 254: stripped and no part of a run, else: kept, of that combining class."""
    strip, decompose = bert(strip_accents=True), normalizers.NFD()
    values = {}
    for point in POINTS:
        text = chr(point)
        gone = strip.normalize_str(text) == ""
        moves = point == 0x345 or decompose.normalize_str(HIGHEST_MARK + text)[0] != HIGHEST_MARK
        if len(decompose.normalize_str(text)) > 1 and not gone:
            continue
        if gone:
            values[point] = 255 if moves else 254
        elif moves:
            values[point] = unicodedata.combining(text)
            assert values[point], hex(point)
    return runs(values)


def lower():
    """[first, last, step, delta]: every step-th code point, which becomes itself + delta."""
    component, rows = normalizers.Lowercase(), []
    for point in POINTS:
        text = component.normalize_str(chr(point))
        if text == chr(point) or point < 0x80:
            continue
        if len(text) > 1:
            assert point == 0x130 and text == "i\u0307"
            continue
        delta = ord(text) - point
        if rows and rows[-1][3] == delta and point - rows[-1][1] in (1, 2) and (
                rows[-1][0] == rows[-1][1] or rows[-1][2] == point - rows[-1][1]):
            rows[-1][2] = point - rows[-1][1]
            rows[-1][1] = point
        else:
            rows.append([point, point, 1, delta])
    return rows


def ranges(points):
    return [row[:2] for row in runs(dict.fromkeys(points, 0))]


def main():
    clean, split = bert(clean_text=True), pre_tokenizers.BertPreTokenizer()
    dropped = [p for p in POINTS if clean.normalize_str(chr(p)) == ""]
    punctuation = [p for p in POINTS if len(split.pre_tokenize_str("a" + chr(p) + "b")) == 3]
    print("/* Made by tools/bert_tables.py from `tokenizers` %s. */\n#include \"tokenizer/bert.h\"\n"
          % tokenizers.__version__)
    print(table("What clean_text drops.", "fst__bert_range", "dropped", ranges(dropped)))
    print(table("What stands as a word of its own.", "fst__bert_range", "punctuation", ranges(punctuation)))
    print(table("Marks: first, last, class (255: stripped; 254: stripped, and ends a run of marks; else: kept,\n"
                " * of this combining class).", "fst__bert_mark", "marks", marks()))
    print(table("Lower case: first, last, step, what to add. U+0130 becomes two and is not here.",
                "fst__bert_small", "lower", lower()), end="")


if __name__ == "__main__":
    main()
