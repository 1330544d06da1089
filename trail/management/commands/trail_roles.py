from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, connection

from trail import guards, roles
from trail.errors import BadInput

ON_SQLITE = (
    "SQLite has no roles: whoever can write the file can drop its triggers. There the triggers stop what goes wrong, "
    "and the tree shows what somebody did on purpose. Let the app alone read the file, and keep checkpoints elsewhere."
)


class Command(BaseCommand):
    help = (
        "Gives the app's role in PostgreSQL exactly the rights that it needs, run as the owner of the tables; "
        "--check says what is wrong in the live database, with exit code 1 if something is."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--app-role", default="", help="the role that web and workers connect as")
        parser.add_argument("--apply", action="store_true", help="grant and revoke; run it again after each migrate")
        parser.add_argument("--check", action="store_true", help="look at the live database; exit code 1 if it lacks")

    def handle(self, *args: Any, **options: Any) -> None:
        if connection.vendor != "postgresql":
            self._on_sqlite()
        elif not options["app_role"]:
            raise CommandError("Name the role that web and workers connect as: --app-role.")
        elif not options["apply"] and not options["check"]:
            raise CommandError("Say what to do: --apply, --check, or both.")
        else:
            self._on_postgresql(options["app_role"], apply=options["apply"], check=options["check"])

    def _on_postgresql(self, app_role: str, *, apply: bool, check: bool) -> None:
        try:
            if apply:
                self.stdout.write(f"{len(roles.apply(app_role)):,} statements gave {app_role} what the app needs.")
            lacks = roles.lacking(app_role) if check else []
        except (BadInput, Error) as error:
            raise CommandError(str(error).strip()) from error
        self._say(lacks, f"{app_role} can do what the app does, and no more." if check else "")

    def _on_sqlite(self) -> None:
        self.stdout.write(ON_SQLITE)
        self._say(
            [f"{table}: {sentence}" for table, sentence in guards.lacking()], "All triggers are as they were made."
        )

    def _say(self, lacks: list[str], otherwise: str) -> None:
        for sentence in lacks:
            self.stdout.write(f"✗ {sentence}")
        if lacks:
            sys.exit(1)
        if otherwise:
            self.stdout.write(f"✓ {otherwise}")
