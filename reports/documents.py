"""PDF documents: from our own HTML and our own style, reading nothing else, the same bytes each time."""

from __future__ import annotations

import os
import warnings
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.contrib.staticfiles import finders
from django.utils.safestring import SafeString, mark_safe

STYLE, LOGO = "reports/print.css", "countersign/logo.svg"
# archival, tagged for screen readers, every font inside
VARIANT = "pdf/a-3a"
IDENTIFIER_BYTES = 16


@cache
def _static(name: str) -> str:
    path = finders.find(name)
    if not isinstance(path, str):
        raise FileNotFoundError(f"The static file {name} is missing.")
    return Path(path).read_text(encoding="utf-8")


def style() -> dict[str, Any]:
    """What a document that stands alone holds in itself: its style, and the policy that allows that style only."""
    css = _static(STYLE)
    allowed = b64encode(sha256(css.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{allowed}'; img-src data:"
    return {"style": _trusted(css), "policy": _trusted(policy), "logo": _trusted(_static(LOGO))}


def _trusted(text: str) -> SafeString:
    return mark_safe(text)  # noqa: S308 - our own static file


def pdf(html: str, *, identity: bytes) -> bytes:
    """`html` as a PDF. `identity` is what the document says: the same gives the same file identifier."""
    # a font subset otherwise carries the time it was made
    os.environ.setdefault("SOURCE_DATE_EPOCH", "0")
    from weasyprint import HTML
    from weasyprint.urls import FatalURLFetchingError

    def refuse(url: str) -> Any:
        raise FatalURLFetchingError(f"A document reads nothing but what it holds, and this one asks for {url}.")

    identifier = sha256(identity).digest()[:IDENTIFIER_BYTES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # WeasyPrint leaves its colour profile's file open
        try:
            made = HTML(string=html, url_fetcher=refuse).write_pdf(pdf_variant=VARIANT, pdf_identifier=identifier)
        except FatalURLFetchingError as error:  # no Exception by itself, so nothing else would catch it
            raise RuntimeError(str(error)) from error
    return bytes(made)
