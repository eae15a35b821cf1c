"""The driver's own cursor out of the engine's pool, for the statements of every command and every read of the log.

SQLAlchemy Core writes their SQL (``ledger.store.prepared``) and its pool makes their connections; its execution of a
statement, which costs three times what SQLite takes to answer it, is left out. Each statement is a transaction of its
own, unless its caller begins one: so a read or an INSERT is one round trip to the server and not three.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, PoolProxiedConnection, event
from sqlalchemy.exc import DBAPIError

#: Connections that are kept at hand between two uses; the rest of the pool is for everybody else.
_KEPT = 4


class Direct:
    """Cursors of the driver on connections of an engine's pool; faults are SQLAlchemy's, as everywhere else."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect
        self._postgres = engine.dialect.name == "postgresql"
        driver = engine.dialect.loaded_dbapi
        self._fault: type[Exception] = driver.Error
        self._refusal: type[Exception] = driver.IntegrityError
        self._kept: deque[PoolProxiedConnection] = deque()
        event.listen(engine, "engine_disposed", self._let_go)

    @contextmanager
    def cursor(self) -> Iterator[Any]:
        """A cursor that commits each statement by itself; what its caller began and did not commit is rolled back."""
        pooled = self._take()
        driver: Any = pooled.driver_connection
        try:
            yield driver.cursor()
        except self._refusal as fault:
            self._keep(pooled)
            raise self._as_sqlalchemys(fault) from fault
        except self._fault as fault:
            lost = self._postgres and driver.closed
            pooled.invalidate(fault)
            if lost:
                self.engine.dispose()  # the server has gone: the pool's other connections are lost as well
            raise self._as_sqlalchemys(fault, lost=lost) from fault
        except BaseException as fault:
            pooled.invalidate(fault)  # whatever it was doing, nobody else goes on with it
            raise
        self._keep(pooled)

    def _take(self) -> PoolProxiedConnection:
        try:
            return self._kept.pop()
        except IndexError:
            pass
        try:
            pooled = self.engine.raw_connection()
        except self._fault as fault:
            raise self._as_sqlalchemys(fault, lost=True) from fault
        if self._postgres:  # SQLite's are opened so (``ledger.store.database``)
            driver: Any = pooled.driver_connection
            driver.autocommit = True
        return pooled

    def _keep(self, pooled: PoolProxiedConnection) -> None:
        driver: Any = pooled.driver_connection
        if not self._postgres and driver.in_transaction:
            driver.rollback()
        if len(self._kept) < _KEPT:
            self._kept.append(pooled)
            return
        if self._postgres:
            driver.autocommit = False
        pooled.close()

    def _let_go(self, _: Engine) -> None:
        """Close what is kept: the engine has been disposed of, and the pool it came from is gone."""
        while self._kept:
            self._kept.pop().invalidate()

    def _as_sqlalchemys(self, fault: Exception, *, lost: bool = False) -> BaseException:
        return DBAPIError.instance(
            None, None, fault, self._fault, hide_parameters=True, connection_invalidated=lost, dialect=self.dialect
        )
