from __future__ import annotations

import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from trail import forwarding, ledger
from trail.delivery import Undelivered, targets
from trail.errors import BadInput


class Command(BaseCommand):
    help = "Sends what waits to every receiver of COUNTERSIGN_FORWARD. Workers do so by themselves."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--follow", action="store_true", help="go on until Ctrl-C")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            named = targets()
        except BadInput as wrong:
            raise CommandError(wrong.sentence) from wrong
        if not named:
            raise CommandError("COUNTERSIGN_FORWARD names no receiver.")
        if options["follow"]:
            _follow()
            return
        ledger.catch_up()
        for target in named:
            try:
                while forwarding.forward(target):
                    pass
            except Undelivered:
                pass  # it stands in what is told now
        reached = forwarding.reached(ledger.size_and_root()[0])
        for reach in reached:
            self.stdout.write(f"{reach.target} {reach.sentence}.")
        if any(reach.lag for reach in reached):
            raise CommandError("Some entries were not delivered; they are sent again.")


def _follow() -> None:
    stopping = threading.Event()
    threads = forwarding.start(stopping)
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        stopping.set()
        for thread in threads:
            thread.join()
