"""Signed PDFs: PAdES (B-B; B-T with a time-stamp authority), certified so that no change is allowed afterwards.

The certificate is the organisation's, or one that the installation makes for itself and keeps beside its signing key.
"""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import settings

from trail import timestamps

if TYPE_CHECKING:
    from pyhanko.sign.signers import SimpleSigner
    from pyhanko.sign.timestamps import TimeStamper

FIELD = "Signature"
PRINTED, LOCKED = 4, 128
# room for the signature, its certificates and a time stamp with its own, in hexadecimal digits
RESERVED = 1 << 15
DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
VALID = timedelta(days=3652)
TSA_TIMEOUT = 20.0


class NotSigned(Exception):
    """Why a document can't be signed."""


def signed(pdf: bytes, *, reason: str) -> bytes:
    """`pdf` signed in the installation's name, and time-stamped where an authority is set."""
    return sign(pdf, signer=signer(), timestamper=timestamper(), reason=reason, name=settings.LOG_ORIGIN)


def sign(pdf: bytes, *, signer: SimpleSigner, timestamper: TimeStamper | None = None, reason: str, name: str) -> bytes:
    """`pdf` with one signature over all of it, after which any change is one too many."""
    from pyhanko.sign import signers
    from pyhanko.sign.fields import MDPPerm, SigSeedSubFilter

    how = signers.PdfSignatureMetadata(
        field_name=FIELD,
        reason=reason,
        name=name,
        certify=True,
        docmdp_permissions=MDPPerm.NO_CHANGES,
        subfilter=SigSeedSubFilter.PADES,
    )

    def work() -> bytes:
        made = signers.PdfSigner(how, signer=signer, timestamper=timestamper)
        written = made.sign_pdf(_appended(pdf), existing_fields_only=True, bytes_reserved=RESERVED)
        return bytes(written.getvalue())

    # it runs an event loop of its own, which a thread that has one already refuses
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(work).result()


def with_field(pdf: bytes) -> bytes:
    """`pdf` with a field to sign in: invisible on the page, tagged and named for those who are read to.

    These are the first bytes of the signed document, and the same each time. They hold no stream of references: the
    one that a signature adds could end in a byte that validators don't count.
    """
    import pikepdf
    from pikepdf import Array, Dictionary, Name

    from reports import documents, tagging

    with pikepdf.open(BytesIO(pdf)) as document:
        page = document.pages[0].obj
        title = str(document.docinfo.get("/Title", "this document"))
        field = document.make_indirect(
            Dictionary(
                Type=Name.Annot,
                Subtype=Name.Widget,
                FT=Name.Sig,
                T=FIELD,
                TU=f"Signature of {title}",
                F=PRINTED | LOCKED,
                Rect=Array([0, 0, 0, 0]),
                P=page,
            )
        )
        page.Annots = Array([*page.get("/Annots", []), field])
        reference = Dictionary(Type=Name.OBJR, Obj=field, Pg=page)
        form = document.make_indirect(Dictionary(Type=Name.StructElem, S=Name.Form, K=Array([reference]), Pg=page))
        tagging.add(document, form, owner=field)
        # SigFlags: there are signatures, and the file only ever grows
        document.Root.AcroForm = document.make_indirect(Dictionary(Fields=Array([field]), SigFlags=3))
        return documents.saved(document, plain=True)


def _appended(pdf: bytes) -> Any:
    from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter

    class AsItIs(IncrementalPdfFileWriter):
        def _update_meta(self) -> None:
            """Signing changes nothing that the document says of itself; rewritten, its metadata are no PDF/A."""

    return AsItIs(BytesIO(with_field(pdf)))


def timestamper() -> TimeStamper | None:
    """The time-stamp authority that the settings name, if they name one."""
    return authority(settings.TSA_URL, roots=_tsa_roots()) if settings.TSA_URL else None


def authority(url: str, *, roots: list[bytes]) -> TimeStamper:
    """An authority whose tokens are taken only if they lead to `roots`; without any, whatever it answers is taken."""
    from asn1crypto import cms
    from pyhanko.sign.timestamps import TimeStamper

    class Authority(TimeStamper):
        async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> Any:
            token = timestamps.stamp(message_digest, url=url, timeout=TSA_TIMEOUT)
            try:
                if roots:
                    timestamps.verify(token, message_digest, roots)
            except timestamps.InvalidTimestamp as wrong:
                raise timestamps.NotStamped(f"{url} gave a token that is not taken. {wrong}") from wrong
            return cms.ContentInfo.load(token)

    return Authority()  # type: ignore[no-untyped-call]


def _tsa_roots() -> list[bytes]:
    try:
        return [Path(settings.TSA_ROOTS).read_bytes()]
    except OSError as error:
        said = f"COUNTERSIGN_TSA_ROOTS must name a PEM file with the root of that authority: {error.strerror}."
        raise timestamps.NotStamped(said) from error


def signer() -> SimpleSigner:
    """Who signs. An expired certificate signs nothing more."""
    from asn1crypto import keys
    from asn1crypto import x509 as asn1
    from pyhanko.sign.signers import SimpleSigner
    from pyhanko_certvalidator.registry import SimpleCertificateStore

    key, (own, *others) = _kept()
    if own.not_valid_after_utc <= datetime.now(UTC):
        raise NotSigned(f"The certificate that signs documents expired on {own.not_valid_after_utc:%-d %B %Y}.")
    store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    store.register_multiple(asn1.Certificate.load(_der(each)) for each in others)
    kept = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return SimpleSigner(
        signing_cert=asn1.Certificate.load(_der(own)),
        signing_key=keys.PrivateKeyInfo.load(key.private_bytes(*kept)),
        cert_registry=store,
    )


def certificate() -> x509.Certificate:
    return _kept()[1][0]


def certificate_pem() -> str:
    """The certificate that signs documents, for those who check them."""
    return certificate().public_bytes(serialization.Encoding.PEM).decode()


def fingerprint() -> str:
    """The SHA-256 of that certificate, as a pack names it and viewers show it."""
    return "sha256:" + certificate().fingerprint(hashes.SHA256()).hex()


def certificate_shown() -> dict[str, Any]:
    """What a page says of that certificate."""
    own = certificate()
    return {
        "subject": own.subject.rfc4514_string(),
        "issuer": own.issuer.rfc4514_string(),
        "is_own": own.issuer == own.subject,
        "until": own.not_valid_after_utc,
        "fingerprint": fingerprint(),
        "is_stamped": bool(settings.TSA_URL),
    }


def _der(each: x509.Certificate) -> bytes:
    return each.public_bytes(serialization.Encoding.DER)


@cache
def _kept() -> tuple[Any, list[x509.Certificate]]:
    """The key, and its certificate with those above it."""
    named = settings.PDF_KEY, settings.PDF_CERTIFICATE
    if any(named) and not all(named):
        raise NotSigned("COUNTERSIGN_PDF_KEY and COUNTERSIGN_PDF_CERTIFICATE go together; one of them is not set.")
    try:
        pems = [Path(path).read_bytes() for path in named] if all(named) else [_made(settings.PDF_SIGNING_PATH)] * 2
        key = serialization.load_pem_private_key(pems[0], password=None)
        certificates = x509.load_pem_x509_certificates(pems[1])
    except (OSError, ValueError, TypeError) as error:
        raise NotSigned(f"The key or the certificate that signs documents can't be read: {error}") from error
    if key.public_key() != certificates[0].public_key():
        raise NotSigned("COUNTERSIGN_PDF_KEY is not the key of the first certificate in COUNTERSIGN_PDF_CERTIFICATE.")
    return key, certificates


def _made(path: Path) -> bytes:
    """Key and certificate in one file that is there whole or not at all: web and worker start together."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=path.parent) as file:  # readable by its owner alone
            file.write(_self_signed(settings.LOG_ORIGIN))
            file.flush()
            os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(file.name, path)
    return path.read_bytes()


def _self_signed(name: str) -> bytes:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    usage = dict.fromkeys(
        ["key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign", "encipher_only"], False
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=True, content_commitment=True, decipher_only=False, **usage), critical=True
        )
        .add_extension(x509.ExtendedKeyUsage([DOCUMENT_SIGNING]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    made = builder.sign(key, hashes.SHA256())
    kept = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(*kept) + made.public_bytes(serialization.Encoding.PEM)
