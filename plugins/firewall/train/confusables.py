#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes confusables.c: what every code point becomes before content rules look at a text.

    confusables.py > ../confusables.c

Two sources, both at hand on Debian without a download: Python's unicodedata (NFKC, case folding,
categories) and ICU's spoof checker (libicui18n72, the skeletons of UTS 39), called by ctypes. The
result is kept in the tree, so building the plugin needs neither. The data behind both is Unicode's
(Unicode License, https://www.unicode.org/license.txt).
"""
import ctypes
import sys
import unicodedata

ICU = 72
LAST = 0x1FBFF
SAME_LETTER, SAME_OTHER, STRIP, SPACE, FIRST_ENTRY = 0, 1, 2, 3, 4
# Marks that only decorate. The vowel signs of Indic scripts are no decoration and stay.
MARKS = [(0x300, 0x36F), (0x483, 0x489), (0x591, 0x5BD), (0x610, 0x61A), (0x640, 0x640),
         (0x64B, 0x65F), (0x670, 0x670), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF),
         (0xFE00, 0xFE0F), (0xFE20, 0xFE2F), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
         (0x3164, 0x3164), (0xFFA0, 0xFFA0), (0x1F3FB, 0x1F3FF)]
# Look-alikes that ICU's table has not, seen in real evasions.
MORE = {"в": "b", "к": "k", "м": "m", "н": "h", "т": "t", "κ": "k", "τ": "t", "η": "n", "μ": "u", "χ": "x", "ω": "w", "β": "b", "ε": "e",
        "ı": "i", "ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "ß": "b", "æ": "ae", "œ": "oe"}
PUNCTUATION = {0x3002: ".", 0xFF61: ".", 0x2024: ".", 0x2015: "-", 0x2212: "-", 0x2044: "/",
               0x2215: "/", 0x2236: ":", 0xA789: ":", 0x2018: "'", 0x2019: "'", 0x201B: "'",
               0x201C: '"', 0x201D: '"', 0x201F: '"', 0x2032: "'", 0x00B4: "'", 0x2039: "<",
               0x203A: ">", 0x00B7: ".", 0x2022: ".", 0x2219: ".", 0x22C5: "."}


def spoof_checker():
    lib = ctypes.CDLL(f"libicui18n.so.{ICU}")
    status = ctypes.c_int(0)
    opened = getattr(lib, f"uspoof_open_{ICU}")
    opened.restype = ctypes.c_void_p
    checker = opened(ctypes.byref(status))
    skeleton_utf8 = getattr(lib, f"uspoof_getSkeletonUTF8_{ICU}")
    skeleton_utf8.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_char_p, ctypes.c_int32,
                              ctypes.c_char_p, ctypes.c_int32, ctypes.c_void_p]

    def skeleton(text):
        status.value = 0
        out, raw = ctypes.create_string_buffer(200), text.encode()
        n = skeleton_utf8(checker, 0, raw, len(raw), out, 200, ctypes.byref(status))
        return out.raw[:n].decode() if status.value <= 0 else text
    return skeleton


def is_mark(cp):
    return any(a <= cp <= b for a, b in MARKS) or unicodedata.category(chr(cp)) in ("Cf", "Cc", "Cs")


def folded(char):
    """NFKC, case folded, without decoration."""
    text = unicodedata.normalize("NFKD", char)
    text = "".join(c for c in text if not is_mark(ord(c)))
    text = unicodedata.normalize("NFC", text).casefold()
    return "".join(c for c in unicodedata.normalize("NFKC", text) if not is_mark(ord(c)))


def letter_by_name(char):
    """Letters in boxes, circles and small capitals."""
    name = unicodedata.name(char, "")
    for start in ("LATIN LETTER SMALL CAPITAL ", "NEGATIVE CIRCLED LATIN CAPITAL LETTER ",
                  "NEGATIVE SQUARED LATIN CAPITAL LETTER ", "REGIONAL INDICATOR SYMBOL LETTER "):
        if name.startswith(start) and len(name) == len(start) + 1:
            return name[-1].lower()
    return None


def look(char, base, skeleton):
    """The one ASCII letter or digit a character is taken for, or None."""
    for one in (char, base):
        if one in MORE:
            return MORE[one] if len(MORE[one]) == 1 else None
        seen = skeleton(one).lower()
        if len(seen) == 1 and seen.isascii() and seen.isalnum():
            # the capital of i is taken for l, yet means i
            return "i" if one == char and seen == "l" and skeleton(base) == "i" else seen
        if len(seen) == 1 and letter_by_name(seen):
            return letter_by_name(seen)
        if seen == "rn":
            return "m"
    return None


def fold_point(cp, skeleton):
    """SAME_*, STRIP, SPACE, or (base, look)."""
    char, category = chr(cp), unicodedata.category(chr(cp))
    if cp in PUNCTUATION:
        return (PUNCTUATION[cp], None)
    if category in ("Zs", "Zl", "Zp") or cp == 0x85 or cp == 0x2800:
        return SPACE
    if is_mark(cp):
        return STRIP
    if category == "Pd":
        return ("-", None)
    if letter_by_name(char):
        return (letter_by_name(char), None)
    base = folded(char)
    base = "".join(PUNCTUATION.get(ord(c), c) for c in base)
    if base == " ":
        return SPACE
    if not base.isascii() and any(c.isascii() for c in base):
        base = char  # half a letter of ours helps nobody
    if not base or len(base.encode()) > 6:
        return SAME_OTHER if category[0] in "PSCZ" else SAME_LETTER
    if char in MORE and len(MORE[char]) > 1:
        return (MORE[char], None)
    if base.isascii():
        return (base, None)
    seen = look(char, base, skeleton) if len(base) == 1 and category[0] in "LN" else None
    if base == char and not seen:
        return SAME_OTHER if category[0] in "PSCZ" else SAME_LETTER
    return (base, seen)


def c_bytes(text):
    out = ""
    for byte in text.encode():
        out += chr(byte) if 32 < byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"
    return f'"{out}"'


def numbers(values):
    lines, line = [], "   "
    for value in values:
        if len(line) + len(str(value)) + 2 > 100:
            lines.append(line)
            line = "   "
        line += f" {value},"
    return "\n".join(lines + [line])


def main():
    if len(sys.argv) > 1:
        print(__doc__)
        return
    skeleton = spoof_checker()
    entries, pages, first = {}, {}, []
    for page in range((LAST + 1) // 64):
        row = []
        for cp in range(page * 64, page * 64 + 64):
            got = SAME_LETTER if cp < 128 else fold_point(cp, skeleton)
            if isinstance(got, tuple):
                got = entries.setdefault(got, len(entries) + FIRST_ENTRY)
            row.append(got)
        first.append(pages.setdefault(tuple(row), len(pages)))
    while first and first[-1] == first[-2]:
        first.pop()
    print(f"""/* SPDX-License-Identifier: Apache-2.0
 * What every code point becomes before content rules look at a text. Made by train/confusables.py
 * from Unicode {unicodedata.unidata_version} and the skeletons of ICU {ICU} (data of Unicode, Inc., Unicode License); change
 * that, not this. clang-format off keeps its columns.
 */
#include "confusables.h"

/* clang-format off */
const uint32_t fold_last = 0x{len(first) * 64 - 1:x};

const uint16_t fold_page[{len(first)}] = {{
{numbers(first)}
}};

const uint16_t fold_point[{len(pages)}][64] = {{""")
    assert len(pages) < 65536
    for row in pages:
        print("    {\n" + numbers(row) + " },")
    print(f"}};\n\nconst struct fold_entry fold_entries[{len(entries)}] = {{")
    line = "   "
    for base, seen in entries:
        cell = f" {{ {c_bytes(base)}, {len(base.encode())}, {ord(seen) if seen else 0} }},"
        if len(line) + len(cell) > 100:
            print(line)
            line = "   "
        line += cell
    print(line + "\n};\n/* clang-format on */")


if __name__ == "__main__":
    main()
