"""What was sealed, as it is stored: checkpoints, full tiles, cosignatures, timestamps, deliveries. Insert-only.

What these hold and prove is ``ledger.proof``'s to know; here they are rows. A checkpoint is told by its size.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
from sqlalchemy import Connection, RowMapping, and_, bindparam, column, func, insert, select, table, text

from ledger.aggregates.sealing import SealedBefore, SealedCheckpoint
from ledger.errors import IntegrityFault
from ledger.store.envelope import StoredRow, row_of
from ledger.store.prepared import Prepared
from ledger.store.recorder import LOG, Recorder

#: One sealer writes at a time: the key of the advisory lock that it holds for a transaction on PostgreSQL.
SEALER_LOCK = 0x7365616C

_CHECKPOINTS = table("checkpoints", *(column(name) for name in ("size", "root", "note", "sealed_at")))
_TILES = table("tiles", *(column(name) for name in ("level", "number", "hashes", "root")))
_COSIGNATURES = table("cosignatures", *(column(name) for name in ("size", "witness", "line", "received_at")))
_TIMESTAMPS = table("timestamps", *(column(name) for name in ("size", "authority", "token", "received_at")))
_DELIVERIES = table("deliveries", *(column(name) for name in ("place", "size", "delivered_at")))

#: What every signature asks for: the last checkpoint, and the last that others have cosigned or stamped.
_NEWEST = Prepared(
    select(
        _CHECKPOINTS.c.size,
        _CHECKPOINTS.c.root,
        select(func.max(_COSIGNATURES.c.size)).scalar_subquery(),
        select(func.max(_TIMESTAMPS.c.size)).scalar_subquery(),
    )
    .order_by(_CHECKPOINTS.c.size.desc())
    .limit(1)
)
_LINES = Prepared(select(_COSIGNATURES.c.line).where(_COSIGNATURES.c.size == bindparam("vouched")))
_TOKENS = Prepared(select(_TIMESTAMPS.c.token).where(_TIMESTAMPS.c.size == bindparam("vouched")))


@dataclass(frozen=True)
class SealedRow:
    """A signed checkpoint: how many events it covers, the root over them, the signed note, and when it was made."""

    size: int
    root: bytes
    note: bytes
    sealed_at: str


@dataclass(frozen=True)
class TileRow:
    """A full tile: where it stands, its 256 hashes, and the hash over them."""

    level: int
    number: int
    hashes: bytes
    root: bytes


class Overtaken(IntegrityFault):
    """Another sealer has sealed in between; what was made on the checkpoint before is thrown away."""

    exit_code = 3


class Sealed:
    """The sealed tables of a store."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._writing = recorder.engine
        if recorder.engine.dialect.name == "sqlite":
            self._writing = recorder.engine.execution_options(ledger_write=True)

    @contextmanager
    def _alone(self) -> Iterator[Connection]:
        """A transaction that no other sealer's overlaps."""
        with self._writing.begin() as connection:
            if connection.dialect.name == "postgresql":
                # A statement of its own: a snapshot taken with it would be older than the lock.
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SEALER_LOCK})
            yield connection

    # Checkpoints

    def last(self) -> SealedRow | None:
        """The last checkpoint, None when nothing was sealed yet."""
        with self._recorder.reading() as connection:
            return _last(connection)

    def newest(self) -> SealedBefore:
        """The newest checkpoint as a signature carries it, and the newest that others stand behind; or unset."""
        found = self._recorder.values(_NEWEST)
        if not found:
            return msgspec.UNSET
        size, root, cosigned, stamped = found[0]
        vouched = max(cosigned or 0, stamped or 0)
        vouchers: list[str] = []
        if vouched and vouched == cosigned:
            vouchers += [digest_of(line) for (line,) in self._recorder.values(_LINES, {"vouched": vouched})]
        if vouched and vouched == stamped:
            vouchers += [digest_of(bytes(token)) for (token,) in self._recorder.values(_TOKENS, {"vouched": vouched})]
        return SealedCheckpoint(
            size=size, root=bytes(root).hex(), vouched_size=vouched or None, vouchers=tuple(sorted(vouchers))
        )

    def first(self) -> int:
        """The size of the first checkpoint that this store has, 0 when it has none."""
        with self._recorder.reading() as connection:
            return int(connection.scalar(select(func.min(_CHECKPOINTS.c.size))) or 0)

    def checkpoint(self, size: int) -> SealedRow | None:
        """The checkpoint of exactly this size."""
        return self._one(_CHECKPOINTS.c.size == size)

    def covering(self, position: int) -> SealedRow | None:
        """The first checkpoint that covers a position."""
        statement = select(func.min(_CHECKPOINTS.c.size)).where(_CHECKPOINTS.c.size >= position)
        return self._one(_CHECKPOINTS.c.size == statement.scalar_subquery())

    def _one(self, where: object) -> SealedRow | None:
        with self._recorder.reading() as connection:
            found = connection.execute(select(*_CHECKPOINTS.c).where(where)).first()  # type: ignore[arg-type]
        return SealedRow(*found) if found else None

    def checkpoints(self, after: int = 0, limit: int = 1000) -> Sequence[SealedRow]:
        """Checkpoints greater than a size, in their order."""
        statement = select(*_CHECKPOINTS.c).where(_CHECKPOINTS.c.size > after).order_by(_CHECKPOINTS.c.size)
        with self._recorder.reading() as connection:
            return [SealedRow(*values) for values in connection.execute(statement.limit(limit))]

    def backwards(self, *, cosigned: bool = False) -> Iterator[SealedRow]:
        """Checkpoints from the last one back, read a few at a time; all, or those that any witness has cosigned."""
        before: int | None = None
        while True:
            statement = select(*_CHECKPOINTS.c).order_by(_CHECKPOINTS.c.size.desc()).limit(100)
            if cosigned:
                statement = statement.where(_CHECKPOINTS.c.size.in_(select(_COSIGNATURES.c.size)))
            if before is not None:
                statement = statement.where(_CHECKPOINTS.c.size < before)
            with self._recorder.reading() as connection:
                rows = [SealedRow(*values) for values in connection.execute(statement)]
            if not rows:
                return
            yield from rows
            before = rows[-1].size

    def append(self, row: SealedRow, after: SealedRow | None) -> None:
        """Add a checkpoint that was made upon ``after``; ``Overtaken`` when that is no longer the last."""
        with self._alone() as connection:
            last = _last(connection)
            if last != after:
                sizes = [each.size if each else 0 for each in (after, last)]
                raise Overtaken(f"another sealer has sealed {sizes[1]:,} events since the checkpoint of {sizes[0]:,}")
            connection.execute(insert(_CHECKPOINTS), vars(row))

    # Tiles

    def tile(self, level: int, number: int) -> TileRow | None:
        """A full tile, None when it is not there."""
        statement = select(*_TILES.c).where(_TILES.c.level == level, _TILES.c.number == number)
        with self._recorder.reading() as connection:
            found = connection.execute(statement).first()
        return TileRow(*found) if found else None

    def tiles(self, level: int, first: int, limit: int) -> Sequence[TileRow]:
        """Full tiles of a level from a number on, in their order."""
        statement = select(*_TILES.c).where(_TILES.c.level == level, _TILES.c.number >= first)
        with self._recorder.reading() as connection:
            found = connection.execute(statement.order_by(_TILES.c.number).limit(limit))
            return [TileRow(*values) for values in found]

    def last_tile(self, level: int) -> int:
        """The number of the last full tile of a level, -1 when there is none."""
        with self._recorder.reading() as connection:
            found = connection.scalar(select(func.max(_TILES.c.number)).where(_TILES.c.level == level))
        return -1 if found is None else int(found)

    def tile_roots(self, level: int, first: int, limit: int) -> list[bytes]:
        """The hashes over the full tiles of a level from a number on: what the tile above holds."""
        wanted = (_TILES.c.level == level, _TILES.c.number >= first, _TILES.c.number < first + limit)
        with self._recorder.reading() as connection:
            return list(connection.scalars(select(_TILES.c.root).where(*wanted).order_by(_TILES.c.number)))

    def leaves(self, first: int, limit: int) -> list[bytes]:
        """The leaf hashes that the log itself holds, from a leaf on (counted from 0)."""
        wanted = (LOG.c.position > first, LOG.c.position <= first + limit)
        with self._recorder.reading() as connection:
            return list(connection.scalars(select(LOG.c.leaf).where(*wanted).order_by(LOG.c.position)))

    def event(self, stream_id: str, version: int) -> Sequence[StoredRow]:
        """An event of the log by its stream and version; empty when there is none that has its place."""
        statement = select(*LOG.c).where(LOG.c.stream_id == stream_id, LOG.c.version == version)
        with self._recorder.reading() as connection:
            return [row_of(values) for values in connection.execute(statement)]

    def add_tiles(self, tiles: Sequence[TileRow]) -> None:
        """Keep tiles that became full. One that is there already has to be the same: a sealer was here before.

        Raises ``IntegrityFault`` when it is another.
        """
        with self._alone() as connection:
            there: dict[int, int] = {}
            for tile in tiles:
                if tile.level not in there:
                    last = select(func.max(_TILES.c.number)).where(_TILES.c.level == tile.level)
                    found = connection.scalar(last)
                    there[tile.level] = -1 if found is None else int(found)
            new = [tile for tile in tiles if tile.number > there[tile.level]]
            for tile in tiles:
                if tile.number <= there[tile.level]:
                    _same_tile(connection, tile)
            if new:
                connection.execute(insert(_TILES), [vars(tile) for tile in new])

    # What others have signed, and what went where

    def cosignatures(self, size: int) -> dict[str, str]:
        """The cosignature lines on a checkpoint, by witness."""
        statement = select(_COSIGNATURES.c.witness, _COSIGNATURES.c.line).where(_COSIGNATURES.c.size == size)
        with self._recorder.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(statement.order_by(_COSIGNATURES.c.witness))}

    def add_cosignature(self, size: int, witness: str, line: str, received_at: str) -> None:
        """Keep a witness's cosignature; a second one of the same witness on the same checkpoint is not needed."""
        values = {"size": size, "witness": witness, "line": line, "received_at": received_at}
        with self._alone() as connection:
            there = select(func.count()).where(_COSIGNATURES.c.size == size, _COSIGNATURES.c.witness == witness)
            if not connection.scalar(there):
                connection.execute(insert(_COSIGNATURES), values)

    def cosigned_until(self, witness: str) -> int:
        """The size of the last checkpoint that a witness has cosigned, 0 when none."""
        statement = select(func.max(_COSIGNATURES.c.size)).where(_COSIGNATURES.c.witness == witness)
        with self._recorder.reading() as connection:
            return int(connection.scalar(statement) or 0)

    def last_timestamp(self, authority: str) -> str | None:
        """When an authority last gave a timestamp, in the stored form."""
        statement = select(func.max(_TIMESTAMPS.c.received_at)).where(_TIMESTAMPS.c.authority == authority)
        with self._recorder.reading() as connection:
            found = connection.scalar(statement)
        return None if found is None else str(found)

    def timestamps(self, size: int) -> Sequence[RowMapping]:
        """The timestamp tokens on a checkpoint: authority, token, received_at."""
        statement = select(*_TIMESTAMPS.c).where(_TIMESTAMPS.c.size == size).order_by(_TIMESTAMPS.c.authority)
        with self._recorder.reading() as connection:
            return list(connection.execute(statement).mappings())

    def add_timestamp(self, size: int, authority: str, token: bytes, received_at: str) -> None:
        """Keep an authority's timestamp token; a second one of the same on the same checkpoint is not needed."""
        values = {"size": size, "authority": authority, "token": token, "received_at": received_at}
        with self._alone() as connection:
            there = select(func.count()).where(_TIMESTAMPS.c.size == size, _TIMESTAMPS.c.authority == authority)
            if not connection.scalar(there):
                connection.execute(insert(_TIMESTAMPS), values)

    def first_cosigned(self, position: int) -> dict[str, tuple[int, str]]:
        """For each witness the first of its cosignatures that cover a position: the checkpoint's size, and the line."""
        first = (
            select(_COSIGNATURES.c.witness, func.min(_COSIGNATURES.c.size).label("size"))
            .where(_COSIGNATURES.c.size >= position)
            .group_by(_COSIGNATURES.c.witness)
            .subquery()
        )
        on = and_(_COSIGNATURES.c.witness == first.c.witness, _COSIGNATURES.c.size == first.c.size)
        statement = select(_COSIGNATURES.c.witness, _COSIGNATURES.c.size, _COSIGNATURES.c.line)
        with self._recorder.reading() as connection:
            found = connection.execute(statement.select_from(_COSIGNATURES.join(first, on)))
            return {witness: (size, line) for witness, size, line in found}

    def first_stamped(self, position: int) -> int | None:
        """The size of the first checkpoint with a timestamp that covers a position."""
        statement = select(func.min(_TIMESTAMPS.c.size)).where(_TIMESTAMPS.c.size >= position)
        with self._recorder.reading() as connection:
            found = connection.scalar(statement)
        return None if found is None else int(found)

    def every_timestamp(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Every timestamp: the checkpoint's size, its signed note, the token."""
        joined = _TIMESTAMPS.join(_CHECKPOINTS, _TIMESTAMPS.c.size == _CHECKPOINTS.c.size)
        statement = select(_TIMESTAMPS.c.size, _CHECKPOINTS.c.note, _TIMESTAMPS.c.token).select_from(joined)
        with self._recorder.reading() as connection:
            found = connection.execute(statement.order_by(_TIMESTAMPS.c.size))
            yield from (tuple(row) for row in found)

    def delivered(self, place: str) -> int:
        """The last checkpoint that a place has taken, 0 when none."""
        statement = select(func.max(_DELIVERIES.c.size)).where(_DELIVERIES.c.place == place)
        with self._recorder.reading() as connection:
            return int(connection.scalar(statement) or 0)

    def add_delivery(self, place: str, size: int, delivered_at: str) -> None:
        """Note that a place has taken a checkpoint."""
        with self._alone() as connection:
            there = select(func.count()).where(_DELIVERIES.c.place == place, _DELIVERIES.c.size == size)
            if not connection.scalar(there):
                values = {"place": place, "size": size, "delivered_at": delivered_at}
                connection.execute(insert(_DELIVERIES), values)


def digest_of(voucher: str | bytes) -> str:
    """SHA-256 (hex) of a cosignature line or a timestamp token: how a signature names what others had signed."""
    return hashlib.sha256(voucher.encode() if isinstance(voucher, str) else bytes(voucher)).hexdigest()


def _last(connection: Connection) -> SealedRow | None:
    found = connection.execute(select(*_CHECKPOINTS.c).order_by(_CHECKPOINTS.c.size.desc()).limit(1)).first()
    return SealedRow(*found) if found else None


def _same_tile(connection: Connection, tile: TileRow) -> None:
    statement = select(*_TILES.c).where(_TILES.c.level == tile.level, _TILES.c.number == tile.number)
    found = connection.execute(statement).first()
    if found is None or TileRow(*found) != tile:
        first = tile.number << (8 * (tile.level + 1))
        raise IntegrityFault(
            f"the tile {tile.number} of level {tile.level} does not fit the log: events from position {first + 1:,} on "
            "are others than when it was made; see: ledger verify"
        )
