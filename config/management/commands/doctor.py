"""What is missing, and how to mend it."""

from __future__ import annotations

import json
import shutil
import stat
import sys
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from kombu.exceptions import OperationalError

from config import celery_app, preflight
from trail import forwarding, guards, keys, ledger


class Command(BaseCommand):
    help = "Says what is missing and how to mend it; exit code 1 if something is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        found = [(name, _sentence(look)) for name, look in LOOKS.items()]
        if options["json"]:
            self.stdout.write(json.dumps([{"check": name, "ok": not mend, "mend": mend} for name, mend in found]))
        else:
            for name, mend in found:
                self.stdout.write(f"{'✗' if mend else '✓'} {name}" + (f": {mend}" if mend else ""))
        if any(mend for _, mend in found):
            sys.exit(1)


def _sentence(look: Callable[[], str | None]) -> str:
    try:
        return look() or ""
    except Exception as error:  # noqa: BLE001  (a doctor reports what it trips over)
        return f"{type(error).__name__}: {error}"


def data_folder() -> str | None:
    probe = settings.DATA / ".doctor"
    try:
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        return f"{settings.DATA} can't be written ({error.strerror}). Point COUNTERSIGN_DATA at a folder that can."
    free = shutil.disk_usage(settings.DATA).free
    return f"{settings.DATA} has {free >> 20} MB left; free some room." if free < 500 << 20 else None


def database() -> str | None:
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        return f"the database does not answer ({str(error).strip()}). Check COUNTERSIGN_DATABASE_URL."
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(waiting)} migrations are waiting. Run: manage.py migrate" if waiting else None


def triggers() -> str | None:
    """The ledger's own defences in the database."""
    if database():
        return "can't be looked at before the database is in order (see above)."
    lacks = [f"{table}: {sentence}" if table else sentence for table, sentence in guards.lacking()]
    return f"{' '.join(lacks)} Find out who did that." if lacks else None


def broker() -> str | None:
    if settings.CELERY_BROKER_URL.startswith("filesystem:"):
        return None
    try:
        with celery_app.connection_for_write() as link:
            link.ensure_connection(max_retries=1, timeout=3)
    except (OperationalError, OSError) as error:
        return f"the broker does not answer ({str(error).strip().rstrip('.')}). Check COUNTERSIGN_BROKER_URL."
    return None


def signing_key() -> str | None:
    try:
        keys.signing_key()
    except ValueError:
        where = "COUNTERSIGN_SIGNING_KEY" if settings.SIGNING_KEY else settings.SIGNING_KEY_PATH
        return f"{where} can't be read as a private key; give an Ed25519 key as PEM."
    if settings.SIGNING_KEY:
        return None
    mode = stat.S_IMODE(settings.SIGNING_KEY_PATH.stat().st_mode)
    if mode & 0o077:
        return f"others can read {settings.SIGNING_KEY_PATH}. Run: chmod 600 {settings.SIGNING_KEY_PATH}"
    return None


def forwarded() -> str | None:
    """Whether every receiver of COUNTERSIGN_FORWARD has what it should."""
    if not settings.FORWARD or database():
        return None
    late = [reach for reach in forwarding.reached(ledger.size_and_root()[0]) if reach.is_late]
    return "; ".join(f"{reach.target} {reach.sentence}" for reach in late) + "." if late else None


def own_checks() -> str | None:
    """Packages with checks that are not offered, and why."""
    from audits import checks

    return " ".join(f"{name} is not offered: {reason}" for name, reason in checks.UNUSABLE.items()) or None


LOOKS: dict[str, Callable[[], str | None]] = {
    "Python": preflight.wrong_python,
    "system libraries": preflight.missing_libraries,
    "data folder": data_folder,
    "database": database,
    "append-only triggers": triggers,
    "broker": broker,
    "signing key": signing_key,
    "forwarding": forwarded,
    "own checks": own_checks,
}
