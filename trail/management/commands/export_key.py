from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from trail import keys


class Command(BaseCommand):
    help = "Prints the public verifier key, which auditors pin to check packs and checkpoints."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(keys.verifier_key())
