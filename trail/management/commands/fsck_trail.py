from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from trail import fsck


class Command(BaseCommand):
    help = (
        "Reads the whole trail and names what is damaged. Exit code 0: nothing; 1: something; 2: it could not look. "
        "It writes nothing."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="the report for machines")
        parser.add_argument(
            "--anchor",
            type=Path,
            nargs="+",
            action="extend",
            default=[],
            metavar="PATH",
            help="a checkpoint that somebody else kept, or a folder of them",
        )
        parser.add_argument(
            "--rows", action="store_true", help="also compare every governed row with what the trail last said of it"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = fsck.examine(anchors=options["anchor"], with_rows=options["rows"])
        except fsck.CouldNotRun as error:
            said = {"error": str(error)}
            self.stderr.write(json.dumps(said, ensure_ascii=False) if options["json"] else str(error))
            sys.exit(2)
        if options["json"]:
            self.stdout.write(json.dumps(report.as_json(), ensure_ascii=False, indent=1))
        else:
            self._print(report)
        sys.exit(0 if report.is_clean else 1)

    def _print(self, report: fsck.Report) -> None:
        for finding in report.findings:
            self.stdout.write(f"✗ {finding}")
        if report.more:
            self.stdout.write(f"✗ and {report.more:,} more.")
        read = ", ".join(f"{count:,} {what}" for what, count in report.read.items())
        self.stdout.write(f"Read {read or 'nothing'}. {'Nothing' if report.is_clean else 'Damage'} was found.")
        for heading, sentences in (("Not looked at", report.unchecked), ("Cannot be seen", report.undetectable)):
            self.stdout.write(f"{heading}:")
            for sentence in sentences:
                self.stdout.write(f"  - {sentence}")
