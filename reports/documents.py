"""PDF documents: our own HTML and style, reading nothing else, for archives (PDF/A-3a) and everyone (PDF/UA-1).

The same document is the same bytes each time, until it is signed (reports/pdf_signing.py).
"""

from __future__ import annotations

import os
import re
import warnings
import zlib
from base64 import a85encode, b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

from django.contrib.staticfiles import finders
from django.utils.safestring import SafeString, mark_safe

STYLE, LOGO = "reports/print.css", "countersign/logo.svg"
# archival, tagged for screen readers, every font inside, other files attached
VARIANT = "pdf/a-3a"
IDENTIFIER_BYTES = 16
NO_MOMENT = "D:19700101000000Z"
RUN_TOGETHER = re.compile(rb"\r\nendstream")
LABELLED = re.compile(r'(<svg\b[^>]*\baria-label="([^"]+)"[^>]*>)')
# PDF/A takes the identifier of PDF/UA only from a packet that also describes it
UNIVERSAL = b"""
<rdf:Description rdf:about="" xmlns:pdfuaid="http://www.aiim.org/pdfua/ns/id/">
<pdfuaid:part>1</pdfuaid:part>
</rdf:Description>
<rdf:Description rdf:about="" xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"
 xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#" xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">
<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">
<pdfaSchema:schema>PDF/UA identification</pdfaSchema:schema>
<pdfaSchema:namespaceURI>http://www.aiim.org/pdfua/ns/id/</pdfaSchema:namespaceURI>
<pdfaSchema:prefix>pdfuaid</pdfaSchema:prefix>
<pdfaSchema:property><rdf:Seq><rdf:li rdf:parseType="Resource">
<pdfaProperty:name>part</pdfaProperty:name>
<pdfaProperty:valueType>Integer</pdfaProperty:valueType>
<pdfaProperty:category>internal</pdfaProperty:category>
<pdfaProperty:description>The part of ISO 14289 that the document follows</pdfaProperty:description>
</rdf:li></rdf:Seq></pdfaSchema:property>
</rdf:li></rdf:Bag></pdfaExtension:schemas>
</rdf:Description>
"""


class Attached(NamedTuple):
    """A file inside a document. `relationship` is a word of PDF: Data, Alternative, Supplement, Source."""

    name: str
    media_type: str
    content: bytes
    description: str
    relationship: str = "Data"


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


def pdf(html: str, *, identity: bytes, attachments: Sequence[Attached] = ()) -> bytes:
    """`html` as a PDF with files attached. `identity` is what it says: the same gives the same file identifier."""
    return _archival(_laid_out(html, identity), attachments)


def _laid_out(html: str, identity: bytes) -> bytes:
    # a font subset otherwise carries the time it was made
    os.environ.setdefault("SOURCE_DATE_EPOCH", "0")
    from weasyprint import HTML
    from weasyprint.urls import FatalURLFetchingError

    def refuse(url: str) -> Any:
        raise FatalURLFetchingError(f"A document reads nothing but what it holds, and this one asks for {url}.")

    # a drawing's title is what a screen reader says of it
    titled = LABELLED.sub(r"\1<title>\2</title>", html)
    identifier = sha256(identity).digest()[:IDENTIFIER_BYTES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # WeasyPrint leaves its colour profile's file open
        try:
            made = HTML(string=titled, url_fetcher=refuse).write_pdf(pdf_variant=VARIANT, pdf_identifier=identifier)
        except FatalURLFetchingError as error:  # no Exception by itself, so nothing else would catch it
            raise RuntimeError(str(error)) from error
    return bytes(made)


def _archival(made: bytes, attachments: Sequence[Attached]) -> bytes:
    import pikepdf

    from reports import tagging

    with pikepdf.open(BytesIO(made)) as document:
        tagging.mend(document)
        _attach(document, attachments)
        packet = document.Root.Metadata.read_bytes().replace(b"</rdf:RDF>", UNIVERSAL + b"</rdf:RDF>")
        document.Root.Metadata.write(packet)
        return saved(document)


def saved(document: Any, *, plain: bool = False) -> bytes:
    """Its bytes, the same each time; `plain`, without packed objects.

    Data that end in a carriage return run into the line break after them, and a validator counts one byte less. In
    such a document every stream of that kind is armoured, and the writer adds none of its own.
    """
    import pikepdf

    unpacked = {"object_stream_mode": pikepdf.ObjectStreamMode.disable}
    written = _written(document, **(unpacked if plain else {}))
    if RUN_TOGETHER.search(written):
        for stream in document.objects:
            if isinstance(stream, pikepdf.Stream) and stream.read_raw_bytes().endswith(b"\r"):
                _armour(stream)
        as_is = pikepdf.StreamDecodeLevel.none
        written = _written(document, compress_streams=False, stream_decode_level=as_is, **unpacked)
    return written


def _written(document: Any, **how: Any) -> bytes:
    with BytesIO() as file:
        document.save(file, deterministic_id=True, **how)
        return file.getvalue()


def _armour(stream: Any) -> None:
    import pikepdf

    inner = stream.get("/Filter")
    if not isinstance(inner, pikepdf.Name) or "/DecodeParms" in stream:
        raise ValueError("A stream that ends in a carriage return has filters that are not expected here.")
    data = a85encode(stream.read_raw_bytes()) + b"~>"
    stream.write(data, filter=pikepdf.Array([pikepdf.Name.ASCII85Decode, inner]))


def _attach(document: Any, attachments: Sequence[Attached]) -> None:
    """As files of the whole document. Their times are the document's, or the bytes would change each second."""
    import pikepdf

    at = str(document.docinfo.get("/ModDate", NO_MOMENT))
    listed = pikepdf.Array()
    for each in attachments:
        spec = pikepdf.AttachedFileSpec(
            document,
            each.content,
            description=each.description,
            filename=each.name,
            mime_type=each.media_type,
            creation_date=at,
            mod_date=at,
        )
        spec.obj.AFRelationship = pikepdf.Name(f"/{each.relationship}")
        document.attachments[each.name] = spec
        listed.append(spec.obj)
        file = spec.obj.EF.F
        file.write(zlib.compress(each.content), filter=pikepdf.Name.FlateDecode)
    if attachments:
        document.Root.AF = listed
