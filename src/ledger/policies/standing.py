"""Who may give which command: roles, the owner of the record, programs of ours; data, so that a county replaces a row.

Sources: PSC-6, PSC-11 to PSC-13, PSC-23, ECM-10, ECM-12, CSS-14; each row names its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cache
from typing import Literal

import msgspec

from ledger.policies.provenance import Provenance, load_data


class Standing(Provenance, frozen=True, kw_only=True):
    """What somebody needs to give one command."""

    name: str
    reason: str
    #: Whether the person whose record it is may, whatever their role; or may not, whatever their role.
    own: Literal["may", "never"] | None = None
    roles: tuple[str, ...] = ()
    #: Everybody who is known may.
    anyone: bool = False
    #: A signing credential held on the day it happened, beside the role.
    credential: bool = False
    programs: tuple[str, ...] = ()
    #: The refusal of others, of the owner, and how to mend it, where the common words would say too little.
    said: str = ""
    self_said: str = ""
    mend: str = ""


class _Standings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    command: tuple[Standing, ...]


@cache
def standings() -> Mapping[str, tuple[Standing, ...]]:
    """Every row, by the command's name."""
    found: dict[str, tuple[Standing, ...]] = {}
    for row in load_data("standing", _Standings).command:
        found[row.name] = (*found.get(row.name, ()), row)
    return found


@cache
def standing_for(command: str, day: date) -> Standing | None:
    """The row for a command on a day, if there is one."""
    return next((row for row in standings().get(command, ()) if row.in_force(day)), None)
