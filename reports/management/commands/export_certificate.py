from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from reports import pdf_signing


class Command(BaseCommand):
    help = "Prints the certificate that signs PDFs, in PEM, for those who check them."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(pdf_signing.certificate_pem(), ending="")
        except pdf_signing.NotSigned as problem:
            raise CommandError(str(problem)) from problem
