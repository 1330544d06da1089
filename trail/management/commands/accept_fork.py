from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from trail import rotation
from trail.actors import Actor
from trail.errors import BadInput


class Command(BaseCommand):
    help = "Lets the log go on after entries were lost, as with a restored backup. The entry names who answers for it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--operator", required=True, help="the name of the person who answers for it")
        parser.add_argument("--reason", required=True, help="stands in the trail")

    def handle(self, *args: Any, **options: Any) -> None:
        operator = Actor(id="operator", name=options["operator"], kind="operator")
        try:
            counted = rotation.accept_fork(actor=operator, reason=options["reason"])
        except BadInput as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            f"The log goes on from {counted['size']:,} entries; {counted['lost']:,} that were signed are lost. "
            "Checkpoints that auditors kept from before can't be proven any more: tell them why."
        )
