"""What a person held on a day, which of it signs, and whether a person qualifies for a position.

The credential held on the service date decides what may be signed and billed (PSC-23). A driver's licence,
automobile insurance, CPR and LIMA are conditions of work (PSC-23, ECM-12, CSS-6) and never sign. All rows are data
(credentials.toml).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache, lru_cache
from typing import Literal

import msgspec

from ledger.policies.provenance import Confidence, Provenance, load_data
from ledger.policies.taxonomy import class_named

Degree = Literal["none", "associate", "bachelor", "master", "doctorate"]
_DEGREES: tuple[Degree, ...] = ("none", "associate", "bachelor", "master", "doctorate")


class CredentialKind(Provenance, frozen=True, kw_only=True):
    """A kind of credential: whether it signs, the class it gives, the states it counts in, days of warning."""

    id: str
    name: str
    signing: bool
    states: tuple[str, ...]
    expires: bool
    warn_days: int
    provider_class: str | None = None
    may_act_as: tuple[str, ...] = ()


class QualificationPath(Provenance, frozen=True, kw_only=True):
    """One way to qualify: everything the row names must hold. Experience in full-time-equivalent months."""

    rule: str
    position: str
    id: str
    words: str
    degree: Degree = "none"
    degree_fields: tuple[str, ...] = ()
    experience_months: int = 0
    post_degree_months: int = 0
    counts_physical_health: bool = False
    semester_units: int = 0
    related_units: int = 0
    credentials: tuple[str, ...] = ()
    supervised_by: tuple[str, ...] = ()
    grandfathered: bool = False


class Condition(Provenance, frozen=True, kw_only=True):
    """Credentials a position needs beside its qualification, every one of them."""

    rule: str
    position: str
    credentials: tuple[str, ...]


class _Tables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    kind: tuple[CredentialKind, ...]
    path: tuple[QualificationPath, ...]
    condition: tuple[Condition, ...]


class Credential(msgspec.Struct, frozen=True, kw_only=True):
    """A credential as recorded. ``expires_on`` is its last valid day; ``revoked_on`` the first day without it."""

    kind: str
    issued_on: date
    expires_on: date | None = None
    revoked_on: date | None = None


class CredentialAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one credential was held on the day, and why."""

    credential: Credential
    held: bool
    signing: bool
    words: str


class HeldAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What was held on a day: every credential with its reason."""

    day: date
    answers: tuple[CredentialAnswer, ...]

    @property
    def held_kinds(self) -> frozenset[str]:
        """Kinds held on the day, signing or not."""
        return frozenset(a.credential.kind for a in self.answers if a.held)

    @property
    def signing_kinds(self) -> frozenset[str]:
        """Kinds held on the day under which a note may be signed."""
        return frozenset(a.credential.kind for a in self.answers if a.held and a.signing)

    @property
    def steps(self) -> tuple[str, ...]:
        """The reasons in words, one a credential."""
        return tuple(a.words for a in self.answers)


class ClassAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The provider class a credential kind gives, None for one that gives none."""

    provider_class: str | None
    may_act_as: tuple[str, ...]
    lpha: bool
    steps: tuple[str, ...]
    source: str
    confidence: Confidence | None


class ExpiryWarning(msgspec.Struct, frozen=True, kw_only=True):
    """A credential that runs out within the days its kind gives for warning, or has run out unrenewed."""

    kind: str
    expires_on: date
    days_left: int
    words: str


class QualificationFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A person's recorded education and experience; months are full-time-equivalent."""

    degree: Degree = "none"
    degree_field: str | None = None
    mental_health_months: int = 0
    physical_health_months: int = 0
    post_degree_months: int = 0
    semester_units: int = 0
    related_units: int = 0
    credentials: tuple[Credential, ...] = ()
    supervisor_kind: str | None = None
    grandfathered: bool = False


class PathAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One path and what is missing for it; nothing missing means it is met."""

    path: str
    words: str
    missing: tuple[str, ...]


class QualificationAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """``qualified`` when a path is met; ``conditions_missing`` lists what the position needs besides."""

    position: str
    qualified: bool
    by: tuple[str, ...]
    paths: tuple[PathAnswer, ...]
    conditions_missing: tuple[str, ...]
    steps: tuple[str, ...]


@cache
def _tables() -> _Tables:
    return load_data("credentials", _Tables)


@lru_cache(maxsize=8192)
def credential_kinds(day: date) -> tuple[CredentialKind, ...]:
    """Every kind in force on ``day``, in the table's order."""
    return tuple(row for row in _tables().kind if row.in_force(day))


@lru_cache(maxsize=8192)
def kind_named(kind: str, day: date) -> CredentialKind | None:
    """The kind of that id in force on ``day``, or None."""
    return next((row for row in credential_kinds(day) if row.id == kind), None)


@lru_cache(maxsize=8192)
def provider_class(credential_kind: str, day: date) -> ClassAnswer:
    """The provider class that a credential kind gives on ``day``, with the source of that."""
    kind = kind_named(credential_kind, day)
    if kind is None or kind.provider_class is None:
        words = (
            f"{credential_kind} is not in the table on {day.isoformat()}"
            if kind is None
            else f"a {kind.name} gives no provider class: it does not sign"
        )
        source = kind.source if kind else "credentials table: no row"
        return ClassAnswer(
            provider_class=None,
            may_act_as=(),
            lpha=False,
            steps=(words,),
            source=source,
            confidence=kind.confidence if kind else None,
        )
    row = class_named(kind.provider_class, day)
    words = f"{kind.name} gives class {kind.provider_class}"
    if kind.may_act_as:
        words += f", and may act as {', '.join(kind.may_act_as)}"
    return ClassAnswer(
        provider_class=kind.provider_class,
        may_act_as=kind.may_act_as,
        lpha=row is not None and row.lpha,
        steps=(words,),
        source=kind.source,
        confidence=kind.confidence,
    )


def _held(credential: Credential, day: date) -> CredentialAnswer:
    kind = kind_named(credential.kind, day)
    name = kind.name if kind else credential.kind
    held = False
    if kind is None:
        words = f"{credential.kind}: not a kind the table holds on {day.isoformat()}"
    elif day < credential.issued_on:
        words = f"{name}: issued {credential.issued_on.isoformat()}, after {day.isoformat()}"
    elif credential.revoked_on is not None and day >= credential.revoked_on:
        words = f"{name}: revoked from {credential.revoked_on.isoformat()}"
    elif credential.expires_on is not None and day > credential.expires_on:
        words = f"{name}: expired {credential.expires_on.isoformat()}, before {day.isoformat()}"
    else:
        held = True
        end = f"until {credential.expires_on.isoformat()}" if credential.expires_on else "with no expiry recorded"
        words = f"{name}: held on {day.isoformat()}, issued {credential.issued_on.isoformat()}, {end}"
    return CredentialAnswer(credential=credential, held=held, signing=kind is not None and kind.signing, words=words)


def held_on(credentials: Iterable[Credential], day: date) -> HeldAnswer:
    """Which of the credentials were held on ``day`` (both the day of issue and the day of expiry count), and why."""
    return HeldAnswer(day=day, answers=tuple(_held(credential, day) for credential in credentials))


def expiry_warnings(credentials: Iterable[Credential], day: date) -> tuple[ExpiryWarning, ...]:
    """Credentials to renew, soonest first; one renewed by a later credential of its kind is left out."""
    latest: dict[str, Credential] = {}
    for credential in credentials:
        if credential.revoked_on is not None and credential.revoked_on <= day:
            continue
        best = latest.get(credential.kind)
        if best is None or (credential.expires_on or date.max) > (best.expires_on or date.max):
            latest[credential.kind] = credential
    found: list[ExpiryWarning] = []
    for credential in latest.values():
        kind = kind_named(credential.kind, day)
        if kind is None or credential.expires_on is None:
            continue
        left = (credential.expires_on - day).days
        if left > kind.warn_days:
            continue
        words = f"{kind.name} {'expired' if left < 0 else 'expires'} {credential.expires_on.isoformat()}"
        words += f" ({-left} days ago)" if left < 0 else f" ({left} days left; warned from {kind.warn_days})"
        found.append(ExpiryWarning(kind=credential.kind, expires_on=credential.expires_on, days_left=left, words=words))
    return tuple(sorted(found, key=lambda w: (w.expires_on, w.kind)))


def _missing(path: QualificationPath, facts: QualificationFacts, held: frozenset[str]) -> tuple[str, ...]:
    missing: list[str] = []
    if _DEGREES.index(facts.degree) < _DEGREES.index(path.degree):
        missing.append(f"a degree of at least {path.degree} (recorded: {facts.degree})")
    if path.degree_fields and (facts.degree_field or "").casefold() not in path.degree_fields:
        missing.append(f"a degree in a related field (recorded: {facts.degree_field or 'none'})")
    months = facts.mental_health_months + (facts.physical_health_months if path.counts_physical_health else 0)
    amounts = (
        ("months of experience", path.experience_months, months),
        ("months of experience after the degree", path.post_degree_months, facts.post_degree_months),
        ("semester units", path.semester_units, facts.semester_units),
        ("semester units in a related subject", path.related_units, facts.related_units),
    )
    missing += [f"{needed} {what} (recorded: {has})" for what, needed, has in amounts if has < needed]
    if path.credentials and not held.intersection(path.credentials):
        missing.append(f"one of {', '.join(path.credentials)} held on the day")
    if path.supervised_by and facts.supervisor_kind not in path.supervised_by:
        missing.append(f"supervision by {', '.join(path.supervised_by)} (recorded: {facts.supervisor_kind or 'none'})")
    if path.grandfathered and not facts.grandfathered:
        missing.append("the grandfather event")
    return tuple(missing)


def qualifies(position: str, facts: QualificationFacts, day: date) -> QualificationAnswer:
    """Whether the person qualifies for ``position`` (``psc``, ``ecm``, ``css``, ``mhrs``) on ``day``, path by path.

    Raises ``ValueError`` for a position without a rule on that day. Sources: PSC-23, ECM-12, CSS-1, CSS-6.
    """
    paths = [row for row in _tables().path if row.position == position and row.in_force(day)]
    if not paths:
        raise ValueError(f"no qualification rule for position {position} on {day.isoformat()}")
    held = held_on(facts.credentials, day).held_kinds
    answers = tuple(PathAnswer(path=p.id, words=p.words, missing=_missing(p, facts, held)) for p in paths)
    by = tuple(answer.path for answer in answers if not answer.missing)
    lacking = tuple(
        kind
        for row in _tables().condition
        if row.position == position and row.in_force(day)
        for kind in row.credentials
        if kind not in held
    )
    steps = tuple(
        f"{p.rule} {a.words}: {'met' if not a.missing else 'missing ' + '; '.join(a.missing)} [{p.source}]"
        for p, a in zip(paths, answers, strict=True)
    )
    steps += tuple(f"condition of work not held on {day.isoformat()}: {kind}" for kind in lacking)
    return QualificationAnswer(
        position=position, qualified=bool(by), by=by, paths=answers, conditions_missing=lacking, steps=steps
    )
