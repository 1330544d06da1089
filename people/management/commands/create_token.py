from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from people import tokens
from people.models import User
from trail.actors import SYSTEM
from trail.errors import BadInput

REASON = "Asked for on the command line"


class Command(BaseCommand):
    help = "Creates an API token for a person and prints it once. Scopes: " + "; ".join(
        f"{scope} ({meaning})" for scope, meaning in tokens.SCOPES.items()
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument(
            "--scope", action="append", required=True, help=f"repeat, or separate by commas: {', '.join(tokens.SCOPES)}"
        )
        parser.add_argument("--name", default="command line")
        parser.add_argument("--days", type=int, default=90, help="until it expires (default 90, at most 366)")
        parser.add_argument("--reason", default=REASON)

    def handle(self, *args: Any, **options: Any) -> None:
        user = User.objects.filter(email__iexact=options["email"]).first()
        if user is None:
            raise CommandError(f"Nobody has the e-mail address {options['email']}.")
        scopes = [scope for given in options["scope"] for scope in given.replace(",", " ").split()]
        try:
            token, secret = tokens.create(
                user=user,
                name=options["name"],
                scopes=scopes,
                days=options["days"],
                actor=SYSTEM,
                reason=options["reason"].strip() or REASON,
            )
        except BadInput as bad:
            raise CommandError(bad.sentence) from bad
        self.stderr.write(f"{token.name}: {', '.join(token.scopes)}, until {token.expires_at:%d %B %Y}. Shown once:")
        self.stdout.write(secret)
