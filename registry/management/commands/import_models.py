from __future__ import annotations

import csv
import json
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from people.membership import By
from people.models import Unit, User
from registry import cells, importing, mapping
from registry.importing import Report
from trail.actors import SYSTEM
from trail.errors import BadInput, Refused

MOST_SHOWN = 20


class Command(BaseCommand):
    help = (
        "Imports a CSV or XLSX file into the model inventory. A row is taken whole or refused; running it again "
        "changes nothing. Exit code 1 if a row was refused."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--mapping", type=Path, help="YAML; without it, headers that name inventory fields are taken"
        )
        parser.add_argument("--unit", required=True, help="path of the unit the models go to, or to units below it")
        parser.add_argument("--actor", help="e-mail address of who imports; set-up itself if left out")
        parser.add_argument("--reason", help="why; it stands in the trail of every model")
        parser.add_argument("--dry-run", action="store_true", help="write nothing, report what would happen")
        parser.add_argument("--report", type=Path, help="write the refused rows to this CSV file")
        parser.add_argument("--json", action="store_true", help="print the report as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            _refuse_no_folder(options["report"])
            report = importing.import_models(
                path=options["file"],
                mapping=mapping.load(options["mapping"]) if options["mapping"] else None,
                unit=_unit(options["unit"]),
                dry_run=options["dry_run"],
                actor=_actor(options["actor"]),
                reason=options["reason"] or f"Imported from {options['file'].name}",
                on_progress=self._progress(),
            )
        except (BadInput, Refused) as standing:
            raise CommandError(str(standing), returncode=2) from standing
        if options["report"]:
            _write(report, options["report"])
        self.stdout.write(json.dumps(report.as_json(), indent=2) if options["json"] else "\n".join(_lines(report)))
        if report.refused:
            raise CommandError(f"{len(report.refused)} of {report.rows} rows were refused.", returncode=1)

    def _progress(self) -> Any:
        started = time.monotonic()

        def show(done: int, total: int) -> None:
            end = "\n" if done == total else "\r"
            self.stderr.write(f"{done} of {total} rows, {time.monotonic() - started:.0f} s", ending=end)

        return show


def _refuse_no_folder(report: Path | None) -> None:
    """Before anything is imported, for afterwards it would be too late to say it."""
    if report and not report.parent.is_dir():
        raise BadInput(f"There is no folder {report.parent} to write the report to; make it first.", where="report")


def _unit(path: str) -> Unit:
    unit = Unit.objects.filter(path=path).first()
    if unit is None:
        there = ", ".join(Unit.objects.values_list("path", flat=True)[:20]) or "none yet"
        raise BadInput(f"There is no unit {path}; there are {there}.", where="unit")
    return unit


def _actor(email: str | None) -> By:
    if not email:
        return SYSTEM
    user = User.objects.filter(email__iexact=email).first()
    if user is None:
        raise BadInput(f"Nobody has the e-mail address {email}.", where="actor")
    return user


def _lines(report: Report) -> list[str]:
    verb = "would be " if report.dry_run else ""
    lines = [
        f"{report.file}: {report.rows} rows; {report.created} {verb}created, {report.updated} {verb}updated, "
        f"{report.unchanged} unchanged, {len(report.refused)} {verb}refused."
    ]
    if report.not_mapped:
        lines.append(f"Not mapped: {', '.join(report.not_mapped)}.")
    lines += [f"line {refused.line}: {refused.reason} [{refused.row}]" for refused in report.refused[:MOST_SHOWN]]
    if (more := len(report.refused) - MOST_SHOWN) > 0:
        lines.append(f"… and {more} more; --report FILE writes them all.")
    return lines


def _write(report: Report, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "reason", "row"])
        for refused in report.refused:
            writer.writerow([refused.line, _harmless(refused.reason), _harmless(refused.row)])


def _harmless(text: str) -> str:
    """Text that no spreadsheet runs."""
    return f"'{text}" if cells.is_formula(text) else text
