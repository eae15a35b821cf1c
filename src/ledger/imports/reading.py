"""From a file to JSON, within limits: plain or gzip, never more than fits, every fault with its place."""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from ledger.errors import BadInput

#: The most bytes a file may hold once it is decompressed; the sixteen largest bundles we know hold 1.4 MB.
DEFAULT_LIMIT = 128 * 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"
_SUFFIXES = (".json", ".json.gz")
#: A surrogate escape without its other half.
_HALF_CHARACTER = re.compile(
    r"(?<!\\)(?:\\\\)*(?:\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])"
    r"|(?<!\\u[dD][89abAB][0-9a-fA-F]{2})\\u[dD][c-fC-F][0-9a-fA-F]{2})"
)

T = TypeVar("T")


def find_files(paths: Iterable[Path]) -> list[Path]:
    """The files that these paths name; a folder stands for the ``.json`` and ``.json.gz`` files in it, by name.

    Raises ``BadInput`` for a path that does not exist and for a folder without such files.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.name.endswith(_SUFFIXES) and file.is_file())
            if not inside:
                raise BadInput(f"{path}: no .json or .json.gz file is in this folder")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise BadInput(f"{path}: there is no such file")
    return list(dict.fromkeys(found))


def read_json(path: Path, kind: type[T], limit: int = DEFAULT_LIMIT) -> T:
    """The JSON value in a file, plain or gzip, of at most ``limit`` bytes once decompressed, as a ``kind``.

    Raises ``BadInput`` that names the file and the place of the fault: a line and column, an element, or how far gzip
    could read.
    """
    raw = _read_bytes(path, limit).removeprefix(codecs.BOM_UTF8)
    try:
        text = raw.decode()
    except UnicodeDecodeError as fault:
        line = raw.count(b"\n", 0, fault.start) + 1
        column = fault.start - raw.rfind(b"\n", 0, fault.start)
        raise BadInput(
            f"{path.name}: line {line} byte {column}: this is not UTF-8 text; FHIR's JSON is always UTF-8"
        ) from fault
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as fault:
        what, _, where = str(fault).partition(" - at ")
        raise BadInput(f"{path.name}: {where.strip('`').removeprefix('$.') or 'the file'}: {what}") from fault
    except msgspec.DecodeError as fault:
        raise BadInput(f"{path.name}: {_place_of_fault(text) or fault}") from fault
    except RecursionError as fault:
        raise BadInput(f"{path.name}: the JSON is nested too deeply to be a bundle") from fault


def _place_of_fault(text: str) -> str:
    """Where text stops being JSON: the fast reader says only that it does, the standard library's says where."""
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as fault:
        ended = " (the file ends here: was it cut off?)" if fault.pos >= len(text.rstrip()) else ""
        return f"line {fault.lineno} column {fault.colno}: {fault.msg}{ended}"
    except (RecursionError, ValueError) as fault:
        return str(fault)
    half = _HALF_CHARACTER.search(text)
    if half is None:
        return ""
    line = text.count("\n", 0, half.start()) + 1
    return f"line {line} column {half.start() - text.rfind(chr(10), 0, half.start())}: {half[0]} is half a character"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _read_bytes(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            zipped = file.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
            file.seek(0)
            raw = _unzip(path, file, limit) if zipped else file.read(limit + 1)
    except OSError as fault:
        raise BadInput(f"{path.name}: cannot be read: {fault.strerror or fault}") from fault
    if len(raw) > limit:
        raise BadInput(
            f"{path.name}: holds more than {limit:,} bytes{' once decompressed' if zipped else ''}; "
            "split it, or allow more with --max-megabytes"
        )
    return raw


def _unzip(path: Path, file: BinaryIO, limit: int) -> bytes:
    """Decompress up to one byte more than the limit, so that a bomb never unfolds."""
    whole: list[bytes] = []
    size = 0
    try:
        with gzip.GzipFile(fileobj=file) as unzipped:
            while size <= limit and (piece := unzipped.read(min(1 << 20, limit + 1 - size))):
                whole.append(piece)
                size += len(piece)
    except (EOFError, zlib.error, gzip.BadGzipFile) as fault:
        what = "the gzip data is cut off" if isinstance(fault, EOFError) else f"the gzip data is damaged ({fault})"
        raise BadInput(f"{path.name}: {what} after {size:,} decompressed bytes; fetch the file again") from fault
    return b"".join(whole)
