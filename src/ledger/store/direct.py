"""The driver's own cursor out of the engine's pool, for the statements of every command and every read of the log.

SQLAlchemy Core writes their SQL (``ledger.store.prepared``) and its pool makes their connections; its execution of a
statement, which costs three times what SQLite takes to answer it, is left out. Each statement is a transaction of its
own, unless its caller begins one: so a read or an INSERT is one round trip to the server and not three.
"""

from __future__ import annotations

from collections import deque
from types import TracebackType
from typing import Any

from sqlalchemy import Engine, PoolProxiedConnection, event
from sqlalchemy.exc import DBAPIError

#: Connections that are kept at hand between two uses; the rest of the pool is for everybody else.
_KEPT = 4
#: How long a transaction may stand still between two statements before PostgreSQL ends it, in milliseconds. A process
#: that was stopped, or whose machine is gone, would otherwise keep its locks, for which others wait: those of a view
#: and, on the connections here, that of the order. That one is free before another relay is chosen to go on with it.
IDLE_MS, LETS_GO_MS = 10_000, 3_000
_LET_GO = "SET idle_in_transaction_session_timeout = {}"


class _Held:
    """A connection in use. As a context it gives its cursor, and hands the connection back at its end."""

    __slots__ = ("_direct", "cursor", "driver", "pooled")

    def __init__(self, direct: Direct, pooled: PoolProxiedConnection) -> None:
        self._direct = direct
        self.pooled = pooled
        self.driver: Any = pooled.driver_connection
        self.cursor: Any = direct.cursor_of(self.driver)

    def __enter__(self) -> Any:
        return self.cursor

    def __exit__(self, _: type[BaseException] | None, fault: BaseException | None, __: TracebackType | None) -> None:
        self._direct.take_back(self, fault)


class Direct:
    """Cursors of the driver on connections of an engine's pool; faults are SQLAlchemy's, as everywhere else."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect
        self._postgres = engine.dialect.name == "postgresql"
        driver = engine.dialect.loaded_dbapi
        self._fault: type[Exception] = driver.Error
        self._refusal: type[Exception] = driver.IntegrityError
        self._kept: deque[_Held] = deque()
        event.listen(engine, "engine_disposed", self._let_go)

    def cursor(self) -> _Held:
        """A cursor to use ``with``; it commits each statement, and rolls back what was begun and not committed."""
        try:
            return self._kept.pop()
        except IndexError:
            pass
        try:
            pooled = self.engine.raw_connection()
        except self._fault as fault:
            raise self._as_sqlalchemys(fault, lost=True) from fault
        try:
            return _Held(self, pooled)
        except self._fault as fault:  # the server has gone since the pool had this connection
            pooled.invalidate(fault)
            self.engine.dispose()
            raise self._as_sqlalchemys(fault, lost=True) from fault

    def cursor_of(self, driver: Any) -> Any:
        """A cursor on a connection that from now on commits each statement by itself."""
        if not self._postgres:
            return driver.cursor()  # SQLite's connections are opened so (``ledger.store.database``)
        driver.autocommit = True
        driver.execute(_LET_GO.format(LETS_GO_MS))
        return driver.cursor(binary=True)

    def take_back(self, held: _Held, fault: BaseException | None) -> None:
        """Keep a connection for the next use; one that something went wrong on is closed, unless it only refused."""
        lost = self._postgres and bool(held.driver.closed)
        if fault is None or isinstance(fault, self._refusal):
            self._keep(held)
        else:  # whatever it was doing, nobody else goes on with it
            held.pooled.invalidate(fault)
        if isinstance(fault, self._fault):
            if lost:
                self.engine.dispose()  # the server has gone: the pool's other connections are lost as well
            raise self._as_sqlalchemys(fault, lost=lost) from fault

    def _keep(self, held: _Held) -> None:
        if held.driver.pgconn.transaction_status if self._postgres else held.driver.in_transaction:
            held.driver.rollback()
        if len(self._kept) < _KEPT:
            self._kept.append(held)
            return
        if self._postgres:
            try:
                held.driver.execute(_LET_GO.format(IDLE_MS))
            except self._fault as fault:  # what it was used for is done; only nobody goes on with it
                held.pooled.invalidate(fault)
                return
            held.driver.autocommit = False
        held.pooled.close()

    def _let_go(self, _: Engine) -> None:
        """Close what is kept: the engine has been disposed of, and the pool it came from is gone."""
        while self._kept:
            self._kept.pop().pooled.invalidate()

    def _as_sqlalchemys(self, fault: Exception, *, lost: bool = False) -> BaseException:
        return DBAPIError.instance(
            None, None, fault, self._fault, hide_parameters=True, connection_invalidated=lost, dialect=self.dialect
        )
