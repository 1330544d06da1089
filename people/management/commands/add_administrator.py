from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils.text import slugify

from people import membership
from people.models import Unit
from people.roles import Role
from trail.actors import SYSTEM
from trail.errors import BadInput

WHY = "Set up on the command line"


class Command(BaseCommand):
    help = "Adds an administrator to a top unit, which is opened if need be, and prints a link to set a password."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--name", required=True, help="as it will be printed beside signatures")
        parser.add_argument("--unit", required=True, help="the organisation's name, such as “Meridian”")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            unit = Unit.objects.filter(path=slugify(options["unit"])).first()
            unit = unit or membership.open_unit(name=options["unit"], parent=None, actor=SYSTEM, reason=WHY)
            user = membership.add_user(
                email=options["email"], name=options["name"], unit=unit, password=None, actor=SYSTEM, reason=WHY
            )
            membership.grant(user=user, role=Role.ADMINISTRATOR, unit=unit, actor=SYSTEM, reason=WHY)
            self.stdout.write(membership.issue_password_link(user=user, actor=SYSTEM, reason=WHY))
        except BadInput as bad:
            raise CommandError(bad.sentence) from bad
