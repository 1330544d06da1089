"""PDF documents by a validator that is not ours: PDF/A-3a and PDF/UA-1, with the machine's words inside, and the same
bytes each time."""

from __future__ import annotations

import contextlib
import io
import json
import time
import zipfile
from typing import Any
from xml.etree import ElementTree

import page
import pikepdf
import pypdfium2
import pytest
from django.core.files.storage import default_storage

from people.models import User
from registry import versions
from reports import cards, documents, pdf_signing, tagging
from reports.documents import Attached
from tests.personas import WHY

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
HTML = """\
<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A document & more</title>
<meta name="dcterms.created" content="2026-01-02T03:04:05+00:00">
<meta name="dcterms.modified" content="2026-01-02T03:04:05+00:00"></head>
<body><h1>Title</h1>
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9" width="9" height="9" role="img" aria-label="A &lt;red&gt; dot"
><circle cx="4" cy="4" r="3" fill="red"/></svg>
<dl><div><dt>Term</dt><dd>What it is</dd></div><div><dt>Other</dt><dd>One</dd><dd>Two</dd></div></dl>
<ul><li>point<ul><li>below</li></ul></li></ul>
<table><colgroup><col><col></colgroup>
<caption style="position: absolute; width: 1px; height: 1px; overflow: hidden">Numbers</caption>
<thead><tr><th scope="col">A</th><th scope="col">B</th></tr></thead>
<tbody><tr><th scope="row">1</th><td>2</td></tr></tbody></table>
<p><a href="#there">there</a></p><h2 id="there">There</h2></body></html>"""
FILE = Attached("data.json", "application/json", b'{"a": 1}', "What it says, for machines")


def made(html: str = HTML, **named: Any) -> bytes:
    return documents.pdf(html, identity=b"identity", **named)


def conforms(pdf: bytes) -> None:
    for profile in (page.ValidationProfile.PDF_A_3A, page.ValidationProfile.PDF_UA_1):
        found = page.validate_pdf_bytes(pdf, profile=profile)
        assert [(each.rule_id, each.message) for each in found.failures] == []
        assert found.is_compliant


def text_of(pdf: bytes) -> str:
    with contextlib.closing(pypdfium2.PdfDocument(pdf)) as opened:
        return "".join(each.get_textpage().get_text_bounded() for each in opened).replace("\r\n", "")


def tags(pdf: pikepdf.Pdf) -> list[tuple[str, str]]:
    """(tag, tag of what holds it) of every element."""
    return [(str(each.S), str(each.P.get("/S", ""))) for each in tagging.elements(pdf.Root.StructTreeRoot)]


def test_the_validator_finds_fault_where_there_is_one() -> None:
    with pikepdf.open(io.BytesIO(made())) as opened, io.BytesIO() as written:
        del opened.Root.StructTreeRoot
        opened.save(written)
        assert not page.is_pdf_compliant_bytes(written.getvalue(), profile=page.ValidationProfile.PDF_UA_1)
        assert not page.is_pdf_compliant_bytes(written.getvalue(), profile=page.ValidationProfile.PDF_A_3A)


def test_a_document_is_for_archives_and_for_everyone() -> None:
    conforms(made())
    conforms(made(attachments=[FILE, FILE._replace(name="other.json", relationship="Alternative")]))


def test_lists_tables_and_drawings_are_what_their_tags_say() -> None:
    with pikepdf.open(io.BytesIO(made())) as opened:
        found = tags(opened)
        assert {above for tag, above in found if tag == "/LI"} == {"/L"}
        assert [tag for tag, above in found if above == "/LI"].count("/Lbl") >= 2
        assert {above for tag, above in found if tag in {"/THead", "/TBody", "/Caption"}} == {"/Table"}
        assert {tag for tag, above in found if above == "/Table"} == {"/Caption", "/THead", "/TBody"}
        [drawing] = [each for each in tagging.elements(opened.Root.StructTreeRoot) if each.S == "/Figure"]
        assert str(drawing.Alt) == "A <red> dot"
        assert str(opened.Root.Lang) == "en"
        assert opened.Root.ViewerPreferences.DisplayDocTitle


def test_the_metadata_are_one_packet_that_can_be_read_without_unpacking() -> None:
    with pikepdf.open(io.BytesIO(made())) as opened:
        assert "/Filter" not in opened.Root.Metadata
        packet = opened.Root.Metadata.read_bytes()
    assert packet in made()
    read = ElementTree.fromstring(packet)
    assert len(list(read.iter(f"{RDF}RDF"))) == 1
    assert [each.text for each in read.iter("{http://www.aiim.org/pdfua/ns/id/}part")] == ["1"]
    assert [each.text for each in read.iter(f"{RDF}li") if each.text and "document" in each.text] == [
        "A document & more"
    ]


def test_files_are_inside_as_they_were_given_with_their_relation_to_the_document() -> None:
    other = Attached("note.txt", "text/plain", "Grüße".encode(), "A note", "Supplement")
    with pikepdf.open(io.BytesIO(made(attachments=[FILE, other]))) as opened:
        assert {name: spec.get_file().read_bytes() for name, spec in opened.attachments.items()} == {
            "data.json": FILE.content,
            "note.txt": other.content,
        }
        assert [(str(each.UF), str(each.AFRelationship), str(each.Desc)) for each in opened.Root.AF] == [
            ("data.json", "/Data", "What it says, for machines"),
            ("note.txt", "/Supplement", "A note"),
        ]
        assert [str(each.EF.F.Subtype) for each in opened.Root.AF] == ["/application/json", "/text/plain"]


def test_the_same_document_is_the_same_bytes_in_another_second() -> None:
    first = made(attachments=[FILE])
    time.sleep(1.1)
    assert made(attachments=[FILE]) == first
    assert documents.pdf(HTML, identity=b"other", attachments=[FILE]) != first


def test_data_that_end_in_a_carriage_return_are_not_run_together_with_what_follows() -> None:
    """The last byte of packed data is a checksum's, so that any document may have such data."""
    unlucky = next(pdf for pdf in map(made_with, range(256)) if documents.RUN_TOGETHER.search(pdf))
    with pikepdf.open(io.BytesIO(unlucky)) as opened:
        content, written = opened.pages[0].Contents.read_bytes(), documents.saved(opened)
    assert not documents.RUN_TOGETHER.search(written)
    with pikepdf.open(io.BytesIO(written)) as opened:
        assert opened.pages[0].Contents.read_bytes() == content


def made_with(length: int) -> bytes:
    with pikepdf.new() as opened, io.BytesIO() as written:
        opened.add_blank_page()
        opened.pages[0].Contents = opened.make_stream(b"%" + b"a" * length)
        opened.save(written, object_stream_mode=pikepdf.ObjectStreamMode.disable, deterministic_id=True)
        return written.getvalue()


@pytest.mark.django_db
def test_a_model_card_conforms_and_holds_itself_for_machines(version: Any, performance: Any, fairness: Any) -> None:
    card = cards.card(version)
    pdf = cards.as_pdf(card)
    conforms(pdf)
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        [attached] = opened.Root.AF
        assert str(attached.AFRelationship) == "/Alternative"
        assert opened.attachments["card.json"].get_file().read_bytes() == cards.as_json(card)


@pytest.mark.django_db
def test_the_evidence_of_a_release_conforms_signed_as_it_is(
    released: Any, fairness: Any, auditor: User, built: Any
) -> None:
    pack = built(released.version, auditor)
    assert pack.job.status == "succeeded", pack.job.error
    with default_storage.open(pack.path, "rb") as file, zipfile.ZipFile(file) as archive:
        pdf, results = archive.read("evidence.pdf"), archive.read("oscal.json")
        gate = archive.read("versions/credit-scorecard-v1/gate.json")
    conforms(pdf)
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        inside = {name: spec.get_file().read_bytes() for name, spec in opened.attachments.items()}
    assert inside == {"oscal.json": results, "credit-scorecard-v1-gate.json": gate}
    assert pdf_signing.fingerprint() in text_of(pdf)
    assert json.loads(results)["assessment-results"]["results"]


@pytest.mark.django_db
def test_the_evidence_of_several_versions_conforms(
    version: Any, model: Any, developer: User, auditor: User, built: Any
) -> None:
    others = [versions.register(model=model, artifact=None, actor=developer, reason=WHY) for _ in range(2)]
    pack = built([version, *others], auditor)
    assert pack.job.status == "succeeded", pack.job.error
    with default_storage.open(pack.path, "rb") as file, zipfile.ZipFile(file) as archive:
        pdf = archive.read("evidence.pdf")
    conforms(pdf)
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        assert len(opened.Root.AF) == 4
