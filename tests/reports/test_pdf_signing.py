"""Signed documents: another library says they hold, no other bytes do, and their time is an outsider's."""

from __future__ import annotations

import io
import random
import stat
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import page
import pikepdf
import pytest
from asn1crypto import x509 as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.core.management import CommandError, call_command
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.validation import SignatureCoverageLevel, validate_pdf_signature
from pyhanko.sign.validation.status import PdfSignatureStatus
from pyhanko_certvalidator import ValidationContext

from reports import documents, pdf_signing
from reports.pdf_signing import NotSigned
from tests.trail.tsa import Authority, certificate, new_key, pem, serving
from trail.timestamps import NotStamped

HTML = """\
<!doctype html><html lang="en"><head><title>Evidence</title>
<meta name="dcterms.modified" content="2026-01-02T03:04:05+00:00"></head>
<body><h1>Evidence</h1><p>It is so.</p><p><a href="#there">there</a></p><h2 id="there">There</h2></body></html>"""
FILE = documents.Attached("oscal.json", "application/json", b"{}", "For machines")
REASON = "Evidence pack 7"


@pytest.fixture(autouse=True)
def fresh(settings: Any, tmp_path: Path) -> Iterator[None]:
    """An installation that has no certificate yet."""
    settings.PDF_KEY = settings.PDF_CERTIFICATE = ""
    settings.PDF_SIGNING_PATH = tmp_path / "keys" / "pdf_signing.pem"
    settings.TSA_URL = settings.TSA_ROOTS = ""
    pdf_signing._kept.cache_clear()
    yield
    pdf_signing._kept.cache_clear()


@pytest.fixture(scope="module")
def unsigned() -> bytes:
    return documents.pdf(HTML, identity=b"x", attachments=[FILE])


@pytest.fixture
def signed(unsigned: bytes) -> bytes:
    return pdf_signing.signed(unsigned, reason=REASON)


def loaded(certificate_: x509.Certificate) -> asn1.Certificate:
    return asn1.Certificate.load(certificate_.public_bytes(serialization.Encoding.DER))


def trusting(*roots: x509.Certificate) -> ValidationContext:
    return ValidationContext(trust_roots=[loaded(each) for each in roots], allow_fetching=False)


def judged(pdf: bytes, *, authority: Authority | None = None) -> PdfSignatureStatus:
    """What another library says of the one signature, whose certificate we pinned."""
    [signature] = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    stamps = trusting(authority.root) if authority else None
    return alone(lambda: validate_pdf_signature(signature, trusting(pdf_signing.certificate()), stamps))


def alone(act: Callable[[], Any]) -> Any:
    """In a thread of its own: the browser's driver leaves an event loop in this one, and the library wants its own."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(act).result()


def accepted(pdf: bytes) -> bool:
    """As a careful reader decides: exactly one signature, which holds and covers the file."""
    try:
        status = judged(pdf)
        return bool(status.bottom_line and status.coverage == SignatureCoverageLevel.ENTIRE_FILE)
    except Exception:  # noqa: BLE001 - what can't be read is not accepted
        return False


def test_it_holds_it_covers_the_whole_file_and_no_change_is_allowed(signed: bytes) -> None:
    status = judged(signed)
    assert status.bottom_line
    assert status.coverage == SignatureCoverageLevel.ENTIRE_FILE
    [signature] = PdfFileReader(io.BytesIO(signed)).embedded_signatures
    assert signature.docmdp_level == MDPPerm.NO_CHANGES
    said = signature.sig_object
    assert (said["/SubFilter"], said["/Reason"], said["/Name"]) == (
        "/ETSI.CAdES.detached",
        REASON,
        "countersign.local/trail",
    )
    assert status.timestamp_validity is None
    assert accepted(signed)


def test_it_stays_what_it_was_for_archives_and_for_everyone(unsigned: bytes, signed: bytes) -> None:
    for profile in (page.ValidationProfile.PDF_A_3A, page.ValidationProfile.PDF_UA_1):
        for pdf in (unsigned, pdf_signing.with_field(unsigned), signed):
            assert [
                (each.rule_id, each.message) for each in page.validate_pdf_bytes(pdf, profile=profile).failures
            ] == []
    with pikepdf.open(io.BytesIO(signed)) as opened:
        assert opened.attachments["oscal.json"].get_file().read_bytes() == FILE.content
        [field] = opened.Root.AcroForm.Fields
        assert str(field.TU) == "Signature of Evidence"


def test_what_is_signed_is_the_document_that_can_be_made_again(unsigned: bytes, signed: bytes) -> None:
    first = pdf_signing.with_field(unsigned)
    time.sleep(1.1)
    assert pdf_signing.with_field(documents.pdf(HTML, identity=b"x", attachments=[FILE])) == first
    assert signed.startswith(first)


def test_of_200_flipped_bits_none_is_accepted(signed: bytes) -> None:
    [signature] = PdfFileReader(io.BytesIO(signed)).embedded_signatures
    start, length, after, rest = signature.byte_range
    assert (start, after + rest) == (0, len(signed))
    chosen = random.Random(7)
    for _ in range(200):
        place = chosen.choice([chosen.randrange(length), after + chosen.randrange(rest)])
        flipped = bytearray(signed)
        flipped[place] ^= 1 << chosen.randrange(8)
        assert not accepted(bytes(flipped)), place


def test_what_is_added_afterwards_is_refused(signed: bytes) -> None:
    writer = IncrementalPdfFileWriter(io.BytesIO(signed))
    writer.root["/Lang"] = text_string("fr")
    writer.update_root()
    with io.BytesIO() as written:
        writer.write(written)
        added = written.getvalue()
    assert added.startswith(signed)
    status = judged(added)
    assert not status.bottom_line
    assert not accepted(added)
    assert not accepted(signed + b"\n% and more")


def text_string(text: str) -> Any:
    from pyhanko.pdf_utils.generic import TextStringObject

    return TextStringObject(text)


def test_a_signature_that_was_taken_off_is_missing(unsigned: bytes, signed: bytes) -> None:
    for stripped in (unsigned, signed[: len(pdf_signing.with_field(unsigned))]):
        assert PdfFileReader(io.BytesIO(stripped)).embedded_signatures == []
        assert not accepted(stripped)


def test_another_s_signature_is_not_ours(signed: bytes, tmp_path: Path, settings: Any) -> None:
    settings.PDF_SIGNING_PATH = tmp_path / "other.pem"
    pdf_signing._kept.cache_clear()
    assert not judged(signed).bottom_line


def test_it_signs_where_an_event_loop_runs_already(unsigned: bytes) -> None:
    import asyncio

    async def inside() -> bytes:
        return pdf_signing.signed(unsigned, reason=REASON)

    assert accepted(alone(lambda: asyncio.run(inside())))


@pytest.mark.parametrize("kind", ["ECDSA", "RSA"])
def test_the_authority_s_time_is_in_the_signature(unsigned: bytes, tmp_path: Path, settings: Any, kind: str) -> None:
    key = rsa.generate_private_key(65537, 2048) if kind == "RSA" else None
    authority = Authority(tmp_path / "tsa", key=key, chain=True)
    (tmp_path / "root.pem").write_bytes(pem(authority.root))
    before = datetime.now(UTC) - timedelta(seconds=2)
    with serving(authority.answer) as url:
        settings.TSA_URL, settings.TSA_ROOTS = url, str(tmp_path / "root.pem")
        pdf = pdf_signing.signed(unsigned, reason=REASON)
    status = judged(pdf, authority=authority)
    assert status.bottom_line
    assert status.timestamp_validity.valid
    assert status.timestamp_validity.trusted
    assert before <= status.timestamp_validity.timestamp <= datetime.now(UTC) + timedelta(seconds=2)
    for profile in (page.ValidationProfile.PDF_A_3A, page.ValidationProfile.PDF_UA_1):
        assert page.is_pdf_compliant_bytes(pdf, profile=profile)
    stranger = Authority(tmp_path / "stranger")
    assert not judged(pdf, authority=stranger).bottom_line


def test_a_stamp_by_an_expired_certificate_is_refused_at_both_ends(unsigned: bytes, tmp_path: Path) -> None:
    authority = Authority(tmp_path, years=(-2, -1))
    with serving(authority.answer) as url:
        with pytest.raises(NotStamped, match="expired"):
            sign(unsigned, url, roots=authority.roots)
        taken = sign(unsigned, url, roots=[])  # a signer that pins no root takes it; who checks does not
    status = judged(taken, authority=authority)
    assert not status.timestamp_validity.trusted
    assert not status.bottom_line


def sign(pdf: bytes, url: str, *, roots: list[bytes]) -> bytes:
    authority = pdf_signing.authority(url, roots=roots)
    return pdf_signing.sign(pdf, signer=pdf_signing.signer(), timestamper=authority, reason=REASON, name="Bank")


def test_without_an_answer_of_the_authority_nothing_is_signed(unsigned: bytes, tmp_path: Path, settings: Any) -> None:
    (tmp_path / "root.pem").write_bytes(pem(Authority(tmp_path).root))
    with serving(lambda query: 503) as url:
        settings.TSA_URL = url
        with pytest.raises(NotStamped, match="COUNTERSIGN_TSA_ROOTS must name"):
            pdf_signing.signed(unsigned, reason=REASON)
        settings.TSA_ROOTS = str(tmp_path / "root.pem")
        with pytest.raises(NotStamped, match="503"):
            pdf_signing.signed(unsigned, reason=REASON)


def test_the_certificate_is_made_once_and_kept_from_others(settings: Any) -> None:
    threads = [threading.Thread(target=pdf_signing._made, args=[settings.PDF_SIGNING_PATH]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = settings.PDF_SIGNING_PATH
    assert [each.name for each in kept.parent.iterdir()] == [kept.name]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    made = pdf_signing.certificate()
    pdf_signing._kept.cache_clear()
    assert pdf_signing.certificate() == made
    assert made.subject.rfc4514_string() == "CN=countersign.local/trail"
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert usage.content_commitment
    assert not usage.key_cert_sign


def test_the_command_prints_the_certificate_whose_digest_packs_name(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("export_certificate")
    printed = x509.load_pem_x509_certificate(capsys.readouterr().out.encode())
    assert printed == pdf_signing.certificate()
    assert pdf_signing.fingerprint() == "sha256:" + printed.fingerprint(hashes.SHA256()).hex()


def given(folder: Path, settings: Any, *, years: tuple[int, int] = (-1, 1)) -> x509.Certificate:
    """A certificate that an organisation's own authority issued."""
    root_key, key = new_key(), new_key()
    root = certificate("Bank", root_key, issuer="Bank", issuer_key=root_key, authority=True)
    own = certificate("Evidence", key, issuer="Bank", issuer_key=root_key, years=years)
    encoded = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(*encoded))
    (folder / "chain.pem").write_bytes(pem(own) + pem(root))
    settings.PDF_KEY, settings.PDF_CERTIFICATE = str(folder / "key.pem"), str(folder / "chain.pem")
    return root


def test_the_organisation_s_own_certificate_signs_with_those_above_it(
    unsigned: bytes, tmp_path: Path, settings: Any
) -> None:
    root = given(tmp_path, settings)
    pdf = pdf_signing.signed(unsigned, reason=REASON)
    [signature] = PdfFileReader(io.BytesIO(pdf)).embedded_signatures
    assert signature.signer_cert.subject.native == {"common_name": "Evidence"}
    assert [each.subject.native for each in signature.other_embedded_certs] == [{"common_name": "Bank"}]
    assert not settings.PDF_SIGNING_PATH.exists()
    from pyhanko.sign.validation.settings import KeyUsageConstraints

    usage = KeyUsageConstraints(key_usage={"digital_signature"})
    judged_ = alone(lambda: validate_pdf_signature(signature, trusting(root), key_usage_settings=usage))
    assert judged_.bottom_line


def test_an_expired_certificate_signs_nothing(unsigned: bytes, tmp_path: Path, settings: Any) -> None:
    given(tmp_path, settings, years=(-2, -1))
    with pytest.raises(NotSigned, match="expired on"):
        pdf_signing.signed(unsigned, reason=REASON)


def test_what_does_not_fit_together_is_one_sentence(tmp_path: Path, settings: Any) -> None:
    given(tmp_path, settings)
    (tmp_path / "other.pem").write_bytes(
        new_key().private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    wrong = {"": "go together", str(tmp_path / "none.pem"): "can't be read", str(tmp_path / "other.pem"): "not the key"}
    for path, sentence in wrong.items():
        settings.PDF_KEY = path
        pdf_signing._kept.cache_clear()
        with pytest.raises(NotSigned, match=sentence):
            pdf_signing.certificate()
        with pytest.raises(CommandError, match=sentence):
            call_command("export_certificate")
