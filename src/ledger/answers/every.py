"""Every question, by its name. Each is loaded when it is asked for, so that a command starts quickly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from ledger.answers.query import Query

#: Where each question lives: name → module and attribute.
_WHERE = {
    "chart": "ledger.answers.chart:CHART",
    "chart diff": "ledger.answers.chart:CHART_DIFF",
    "trace": "ledger.answers.timing:TRACE",
    "deadline": "ledger.answers.timing:DEADLINE",
    "timeliness": "ledger.answers.timeliness:TIMELINESS",
    "billing rows": "ledger.answers.billing:BILLING_ROWS",
    "billing changes": "ledger.answers.billing:BILLING_CHANGES",
    "caseload": "ledger.answers.caseload:CASELOAD",
    "utilisation": "ledger.answers.utilisation:UTILISATION",
    "utilisation week": "ledger.answers.utilisation:UTILISATION_WEEK",
    "supervision": "ledger.answers.supervision:SUPERVISION",
    "access explain": "ledger.answers.access:ACCESS_EXPLAIN",
    "access glass": "ledger.answers.access:ACCESS_GLASS",
    "access-audit": "ledger.answers.access_audit:ACCESS_AUDIT",
    "replay-view": "ledger.answers.replay_view:REPLAY_VIEW",
    "evidence": "ledger.answers.evidence:EVIDENCE",
    "proof inclusion": "ledger.answers.proofs:INCLUSION",
    "proof consistency": "ledger.answers.proofs:CONSISTENCY",
    "status": "ledger.answers.status:STATUS",
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
