from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from trail import publishing
from trail.errors import BadInput, Refused


class Command(BaseCommand):
    help = "Writes the log as static files (C2SP tlog-tiles) that anyone can verify; run it again to add what is new."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            checkpoint = publishing.publish(options["folder"])
        except (BadInput, Refused, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{options['folder']} holds {checkpoint.size:,} entries.")
