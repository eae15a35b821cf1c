"""The consumers' own tables: where each projection stands, what it did with each event, and what is parked.

They are made by the store's migration ``0002_views``, as everything that is not a view itself; a test holds the two
together.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text

METADATA = MetaData()

#: Which generation of each projection is live: the one that queries read. A rebuild makes the next one beside it.
LIVE = Table(
    "projection_live",
    METADATA,
    Column("projection", Text, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("projection_version", Integer, nullable=False),
)

# In the tables below ``projection`` names one generation: ``caseload.2`` is the second generation of ``caseload``.

#: Where a projection stands in each partition of the log. The row changes in the transaction that changes its rows.
PLACES = Table(
    "projection_places",
    METADATA,
    Column("projection", Text, primary_key=True),
    #: Which log it is a place in: the local one, or a topic. A place in one says nothing of another.
    Column("log", Text, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("place", BigInteger, nullable=False),
    #: The position of the last event applied from there.
    Column("position", BigInteger, nullable=False),
    Column("applied", BigInteger, nullable=False),
    Column("parked", BigInteger, nullable=False),
    Column("not_concerned", BigInteger, nullable=False),
)

#: What was done with every single event: one outcome a position, in segments. ``verify`` reads it against the log.
OUTCOMES = Table(
    "projection_outcomes",
    METADATA,
    Column("projection", Text, primary_key=True),
    Column("segment", BigInteger, primary_key=True),
    Column("outcomes", LargeBinary, nullable=False),
)

#: Keys that a projection could not go on with, from which event on, and why.
PARKED_KEYS = Table(
    "parked_keys",
    METADATA,
    Column("projection", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("log", Text, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("error", Text, nullable=False),
)

#: Every event that waits behind a parked one, in order.
PARKED_EVENTS = Table(
    "parked_events",
    METADATA,
    Column("projection", Text, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("key", Text, nullable=False, index=True),
)
