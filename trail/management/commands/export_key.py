from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from trail import keys, signer


class Command(BaseCommand):
    help = "Prints what auditors pin to check packs and checkpoints: each verifier key, with the sizes it is good for."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--bare", action="store_true", help="print the newest log key alone")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["bare"]:
            self.stdout.write(keys.verifier_key())
            return
        for each in signer.ring():
            last = "" if each.last is None else each.last
            self.stdout.write(f"log {each.vkey} sizes {each.first}-{last}")
        self.stdout.write(f"cosigner {keys.cosigner_verifier_key()}")
