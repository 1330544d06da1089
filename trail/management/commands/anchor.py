from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from trail import anchors


class Command(BaseCommand):
    help = "Has the current checkpoint held outside: in a folder, by a time-stamp authority, by witnesses."

    def handle(self, *args: Any, **options: Any) -> None:
        outcomes = anchors.anchor_all()
        if not outcomes:
            raise CommandError(
                "No place outside is named: set COUNTERSIGN_ANCHOR_DIR, COUNTERSIGN_TSA_URL or COUNTERSIGN_WITNESSES."
            )
        for outcome in outcomes:
            out = self.stderr if outcome.problem else self.stdout
            out.write(outcome.sentence)
        if failed := sum(bool(outcome.problem) for outcome in outcomes):
            raise CommandError(f"{failed} of {len(outcomes)} places did not get the checkpoint.")
