"""The question behind a page that no answer makes: the command's own words, as its access event keeps them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from ledger.aggregates.access import Question
from ledger.answers.ask import said
from ledger.answers.asking import digest_of_file, release
from ledger.answers.period import Span
from ledger.proof.settings import read_proof_settings

#: Options that say where an answer goes; the form of the answer is recorded beside the options.
_WHERE = frozenset(("out", "shown"))


def question_of(now: datetime, zone: str, views: Mapping[str, int], *, as_json: bool) -> Question | None:
    """What the command at work was asked; None where no command is."""
    context = click.get_current_context(silent=True)
    if context is None:
        return None
    out = context.params.get("out")
    form = out.suffix.lower() if isinstance(out, Path) and out.suffix else "json" if as_json else "text"
    return Question(
        command=" ".join(_names(context)),
        options=tuple(_words(context)),
        form=form,
        asked_at=now,
        zone=zone,
        views=dict(sorted(views.items())),
        release=release(),
    )


def _names(context: click.Context) -> list[str]:
    names: list[str] = []
    at: click.Context | None = context
    while at is not None and (at.parent is not None or not names):
        names.insert(0, at.command.name or "")
        at = at.parent
    return names


def _words(context: click.Context) -> Iterator[str]:
    for param in context.command.params:
        value = context.params.get(param.name or "")
        if param.name == "trust_file" and value is None:
            value = read_proof_settings().trust  # LEDGER_TRUST makes the page as the option does
        if param.name in _WHERE or value is None or value is False:
            continue
        if isinstance(param, click.Option):
            yield param.opts[-1]
        if value is True:
            continue
        for one in value if isinstance(value, (tuple, list)) else (value,):
            yield _word(one)


def _word(value: Any) -> str:
    if isinstance(value, Span):
        return value.name
    if isinstance(value, Path):
        return digest_of_file(value)
    return said(value)
