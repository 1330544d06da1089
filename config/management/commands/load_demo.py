from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from people.models import Unit


class Command(BaseCommand):
    help = "Loads the demo into an empty installation."

    def handle(self, *args: Any, **options: Any) -> None:
        from demo import story

        if Unit.objects.exists():
            raise CommandError("There are units already; the demo is loaded into an empty installation only.")
        story.tell(self.say)

    def say(self, line: str) -> None:
        self.stdout.write(f"·   {line}")
        self.stdout.flush()
