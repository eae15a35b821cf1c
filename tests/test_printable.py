"""What people wrote, as it can be shown: no character of it turns a line, moves a cursor or ends a line elsewhere."""

from __future__ import annotations

import json
import sys
import unicodedata

from ledger.printable import escaped, safe

EVERY = "".join(map(chr, range(sys.maxunicode + 1)))


def test_control_characters_never_reach_a_terminal() -> None:
    assert safe("a\x1b[31m\x9b31m\u202eb\r\nc\td\x00") == "a\ufffd[31m\ufffd31m\ufffdb\nc\td\ufffd"


def test_of_all_characters_none_that_misleads_is_left() -> None:
    """Held against Unicode's own classes, not against the list in the code."""
    left = set(safe(EVERY))
    turning = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    for character in left - set("\n\t"):
        assert unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp"), hex(ord(character))
        assert unicodedata.bidirectional(character) not in turning, hex(ord(character))
    assert not left & set("\u061c\u200e\u200f")
    assert len(EVERY) - len(left) < 2_200, "letters, signs and joiners of every script stay as they are"
    assert {"\u200d", "\u0627", "\u05d0", "\U0001f600"} <= left


def test_json_keeps_its_data_and_prints_none_of_them_raw() -> None:
    data = {"name": "\u202ered\u2066\x7f\u2028", "text": "עברית \u200f 漢字"}
    printed = escaped(json.dumps(data, ensure_ascii=False))
    assert json.loads(printed) == data
    assert safe(printed) == printed
    assert "漢字" in printed
