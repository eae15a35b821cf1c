"""That an event is in the sealed log, and that the log only grew: proofs that are checked without the log."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from ledger.answers.ask import Answer, Ask
from ledger.answers.asking import Asking
from ledger.answers.query import Query
from ledger.errors import NotFound
from ledger.proof.export import cosigned
from ledger.proof.proofs import consistency_of, inclusion_of
from ledger.proof.tree import StoredTree
from ledger.store.envelope import StoredRow, entry_bytes
from ledger.store.sealed import Sealed, SealedRow


class AskInclusion(Ask, frozen=True, kw_only=True):
    """Prove that an event is in the sealed log.

    The proof (c2sp.org/tlog-proof) holds hashes and the signed checkpoint, and nothing of the event; with its entry it
    has what the leaf hash is made over: envelope and digest of the content, not the content. That opens its chart.
    """

    NAME = "proof inclusion"
    PLACED = ("event",)
    event: Annotated[str, msgspec.Meta(max_length=200, description="Its position, or its id: STREAM@VERSION.")]
    size: Annotated[
        int | None, msgspec.Meta(description="In the checkpoint of so many events; the last by default.")
    ] = None
    with_entry: Annotated[bool, msgspec.Meta(description="With the event's entry; this opens its chart.")] = False


class AskConsistency(Ask, frozen=True, kw_only=True):
    """Prove that one checkpoint goes on from another: nothing before it was changed, removed or inserted."""

    NAME = "proof consistency"
    PLACED = ("old", "new")
    old: Annotated[int, msgspec.Meta(ge=0, description="Events of the older checkpoint.")]
    new: Annotated[int, msgspec.Meta(ge=1, description="Events of the newer one.")]


def _inclusion(asking: Asking, ask: AskInclusion) -> Answer:
    row = _event(asking, ask.event)
    sealed = Sealed(asking.recorder)
    access_id = None
    if ask.with_entry and row.chart_id is not None:
        access_id = asking.grant([row.chart_id], f"proof of {row.event_id}").access_id
    entry = entry_bytes(row, row.position, row.recorded_at) if ask.with_entry else None
    there = _checkpoint(sealed, ask.size)
    made = inclusion_of(StoredTree(asking.recorder), row.position, cosigned(sealed, there), entry)
    return Answer(
        data=_data(made, leaf=row.leaf),
        text=lambda: made.text,
        others={".tlog-proof": lambda: made.text},
        access_id=access_id,
        position=there.size,
    )


def _consistency(asking: Asking, ask: AskConsistency) -> Answer:
    sealed = Sealed(asking.recorder)
    there = _checkpoint(sealed, ask.new)
    made = consistency_of(StoredTree(asking.recorder), ask.old, cosigned(sealed, there))
    return Answer(
        data=_data(made),
        text=lambda: made.text,
        others={".tlog-proof": lambda: made.text},
        position=there.size,
    )


def _event(asking: Asking, event: str) -> StoredRow:
    asking.recorder.sequence()
    if event.isascii() and event.isdigit():
        found = asking.recorder.read_log(int(event) - 1, 1) if 0 < int(event) < 1 << 62 else ()
        rows = [row for row in found if row.position == int(event)]
    else:
        stream, at, version = event.rpartition("@")
        if not at or not (version.isascii() and version.isdigit() and len(version) < 10):
            raise asking.refused("event", f"{event!r} is neither a position nor STREAM@VERSION")
        rows = list(Sealed(asking.recorder).event(stream, int(version)))
    if not rows:
        raise NotFound("event", event)
    return rows[0]


def _checkpoint(sealed: Sealed, size: int | None) -> SealedRow:
    found = sealed.last() if size is None else sealed.checkpoint(size)
    if found is None:
        raise NotFound("checkpoint", "yet: run ledger seal" if size is None else f"of {size:,} events")
    return found


def _data(made: Any, **more: bytes) -> dict[str, Any]:
    found = {**vars(made), **more}
    hexed = {name: value.hex() if name == "leaf" else value for name, value in found.items()}
    hexed["path"] = [part.hex() for part in made.path]
    hexed["checkpoint"] = made.checkpoint.decode()
    if found.get("entry") is not None:
        hexed["entry"] = found["entry"].decode()
    return hexed


INCLUSION = Query(AskInclusion, _inclusion, "proof of")
CONSISTENCY = Query(AskConsistency, _consistency, None)
