from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.management.base import BaseCommand, CommandError, CommandParser

from trail import rotation
from trail.actors import SYSTEM
from trail.errors import BadInput, Refused


class Command(BaseCommand):
    help = "Gives the log a new signing key, on the record. Auditors pin it beside the old one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, help="stands in the trail")
        parser.add_argument("--new", type=Path, help="the new Ed25519 key in PEM, where the environment gives keys")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = rotation.rotate(actor=SYSTEM, reason=options["reason"], given=_read(options["new"]))
        except (BadInput, Refused) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"From {made.first:,} entries on, checkpoints are signed with\n{made.vkey}")
        self.stdout.write("Restart web and workers, then give auditors the output of `manage.py export_key`.")


def _read(path: Path | None) -> Ed25519PrivateKey | None:
    if path is None:
        return None
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise CommandError(f"{path} can't be read as a private key in PEM: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise CommandError(f"{path} holds no Ed25519 key.")
    return key
