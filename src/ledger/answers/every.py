"""Every question, by its name. Each is loaded when it is asked for, so that a command starts quickly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from ledger.answers.query import Query

#: Where each question lives: name → module and attribute.
_WHERE = {
    "chart": "ledger.answers.chart:CHART",
    "chart diff": "ledger.answers.chart:CHART_DIFF",
    "access-audit": "ledger.answers.access_audit:ACCESS_AUDIT",
}


class _Queries(Mapping[str, Query]):
    """The questions by name; reading one loads its file."""

    def __getitem__(self, name: str) -> Query:
        module, _, attribute = _WHERE[name].partition(":")
        query: Query = getattr(import_module(module), attribute)
        return query

    def __iter__(self) -> Iterator[str]:
        return iter(_WHERE)

    def __len__(self) -> int:
        return len(_WHERE)


QUERIES: Mapping[str, Query] = _Queries()
