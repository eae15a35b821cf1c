"""What people wrote, as it can be shown: nothing in it moves a cursor, turns the direction of a line, or hides words.

The record keeps every character as it came. What a person reads, on a terminal or a page, has a replacement character
in the place of those that could make it look like something else; JSON has their escapes, which lose nothing.
"""

from __future__ import annotations

import re

#: Control characters but for the line's end and the tab, marks that turn the direction of what follows (Unicode's
#: Bidi_Control), separators that break a line elsewhere than the text says, halves of characters, and what XML cannot
#: hold.
_UNFIT = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def safe(text: str) -> str:
    """Text as it can be shown: lines end as ``\\n``, and what could mislead is a replacement character."""
    return _UNFIT.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))


def escaped(json: str) -> str:
    """JSON as it can be printed: the same data, with the same characters written as escapes."""
    return _UNFIT.sub(lambda found: f"\\u{ord(found[0]):04x}", json)
