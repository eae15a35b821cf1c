"""Make a database and a topic ready for the ledger: roles, tables, grants, topic, and the doctor's look at both.

``python deploy/setup.py --admin URL`` takes the database's superuser; LEDGER_DATABASE names the same database as
``ledger_owner``, and LEDGER_KAFKA the brokers (without it there is no topic). Every step may be run again. It is what
the ``setup`` service of ``compose.yaml`` runs, what ``make stack`` and the tests run, and an operator by hand.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import psycopg
from psycopg import sql

FOLDER = Path(__file__).parent
ROLES = ("ledger_owner", "ledger_writer", "ledger_relay", "ledger_sealer", "ledger_projector", "ledger_reader")


def run_sql(url: str, name: str) -> None:
    """Run one of the SQL files beside this one, in one transaction."""
    with psycopg.connect(url) as connection:
        connection.execute((FOLDER / name).read_bytes())


def set_passwords(url: str, folder: Path) -> None:
    """Give each role the password in the file of its name. Only a SCRAM verifier of it goes to the server."""
    with psycopg.connect(url) as connection:
        for role in ROLES:
            password = (folder / role).read_text(encoding="utf-8").strip().encode()
            verifier = connection.pgconn.encrypt_password(password, role.encode(), b"scram-sha-256").decode()
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(verifier)))


def plain(url: str) -> str:
    """A database URL as psycopg takes it."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def with_password(url: str, file: Path | None) -> str:
    """A URL's connection string with the password that stands in a file."""
    if file is None:
        return plain(url)
    return psycopg.conninfo.make_conninfo(plain(url), password=file.read_text(encoding="utf-8").strip())


def ledger(*arguments: str) -> None:
    """Run one of the ledger's commands; ends this program with its exit code when it fails."""
    done = subprocess.run([Path(sys.executable).parent / "ledger", *arguments], check=False)
    if done.returncode != 0:
        sys.exit(done.returncode)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Make a database and a topic ready for the ledger.")
    parser.add_argument("--admin", required=True, metavar="URL", help="the same database, as its superuser")
    parser.add_argument("--admin-password-file", type=Path, metavar="FILE")
    parser.add_argument(
        "--passwords", type=Path, metavar="FOLDER", help="files named as the roles, with their passwords"
    )
    parser.add_argument("--partitions", type=int, default=6, help="of the topic; it never changes in place")
    parser.add_argument("--seal-key", type=Path, metavar="FILE", help="the sealer's key; made when it is not there")
    parser.add_argument("--origin", default="localhost/ledger", help="the name of the log in its key and checkpoints")
    given = parser.parse_args(arguments)
    owner, owner_file = os.environ.get("LEDGER_DATABASE", ""), os.environ.get("LEDGER_DATABASE_PASSWORD_FILE")
    if not owner.startswith("postgresql"):
        sys.exit("LEDGER_DATABASE: name the database as postgresql://ledger_owner@host/name")
    admin = with_password(given.admin, given.admin_password_file)
    run_sql(admin, "roles.sql")
    print("roles: made", flush=True)
    if given.passwords is not None:
        set_passwords(admin, given.passwords)
        print("passwords: set", flush=True)
    ledger("migrate")
    run_sql(with_password(owner, Path(owner_file) if owner_file else None), "grants.sql")
    print("grants: made", flush=True)
    if os.environ.get("LEDGER_KAFKA"):
        ledger("topic", "create", "--partitions", str(given.partitions))
        ledger("doctor")
    if given.seal_key is not None and not given.seal_key.exists():
        ledger("tlog", "key", "new", "--name", given.origin, "--out", str(given.seal_key))


if __name__ == "__main__":
    main()
