"""``ledger replay-view``: what a person saw at a moment, made again from the access event, and proved."""

from __future__ import annotations

from pathlib import Path

import click

from ledger.answers.replay_view import AskReplayView
from ledger.answers.trusted import TRUST_HELP
from ledger.cli.answering import answered, hand_over
from ledger.cli.files import check_target, write_whole
from ledger.cli.named import Id
from ledger.cli.session import Session, pass_session
from ledger.errors import LedgerError


@click.command("replay-view")
@click.argument("access_id", metavar="ACCESS_ID", type=Id())
@click.option("--shown", type=click.Path(path_type=Path), help="Write exactly what was shown, and nothing else, here.")
@click.option("--trust", "trust_file", type=click.Path(path_type=Path, dir_okay=False), help=TRUST_HELP)
@click.option("--out", type=click.Path(path_type=Path), help="Write to this file: .txt, .json or .html.")
@pass_session
def replay_view(
    session: Session, access_id: str, shown: Path | None, trust_file: Path | None, out: Path | None
) -> None:
    """What a person saw at a moment: the page of an access made again to the byte, and proved.

    The access says who read what, when and why, and at which positions of the log; the page is made from the log up to
    there, in a throwaway store. Each event used is checked against its leaf hash, and held against the sealed
    checkpoint that covers it. What is not known, or was made by another release, is said. This reading is recorded
    first, as a read of the same charts.

    \b
    Examples:
      ledger --as system:auditor --purpose audit replay-view ACCESS_ID
      ledger --as system:auditor --purpose audit replay-view ACCESS_ID --out seen.html
      ledger --as system:auditor --purpose audit replay-view ACCESS_ID --shown page.txt
    """
    check_target(out)
    if shown is not None:
        check_target(shown, (shown.suffix.lower(),))
    session.trust_file = trust_file
    answer = answered(session, AskReplayView(access_id=access_id), out)
    if shown is not None:
        if answer.data.shown is None:
            raise LedgerError(f"--shown: what was shown cannot be made again: {answer.data.not_shown_because}")
        write_whole(shown, answer.data.shown)
    hand_over(session, answer, out)
