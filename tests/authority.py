"""A time-stamp authority in software: it gives tokens as RFC 3161 has them, or wrong ones if told to."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from asn1crypto import algos, cms, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
SINCE, UNTIL = datetime(2020, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
AT = datetime(2026, 1, 2, 3, 5, 6, tzinfo=UTC)
HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512(), "sha1": hashes.SHA1()}


@functools.cache
def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def ec_key(number: int, curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(number, curve or ec.SECP256R1())


@dataclass
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)


def issue(
    name: str,
    key: Key,
    *,
    issuer: Issued | None = None,
    authority: bool = False,
    path_length: int | None = None,
    usages: list[x509.ObjectIdentifier] | None = None,
    critical: bool = True,
    since: datetime = SINCE,
    until: datetime = UNTIL,
    hash_: str = "sha256",
    signing: bool = True,
    also: x509.ExtensionType | None = None,
) -> Issued:
    """A certificate, of itself if there is no issuer."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(
        issuer_name=issuer.certificate.subject if issuer else subject,
        subject_name=subject,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=since,
        not_valid_after=until,
    )
    builder = builder.add_extension(x509.BasicConstraints(authority, path_length), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    usage = dict.fromkeys(("key_encipherment", "data_encipherment", "key_agreement", "crl_sign"), False)
    usage |= {"encipher_only": False, "decipher_only": False, "content_commitment": False}
    usage |= {"digital_signature": signing and not authority, "key_cert_sign": authority}
    if any(usage.values()):
        builder = builder.add_extension(x509.KeyUsage(**usage), critical=True)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=critical)
    if also:
        builder = builder.add_extension(also, critical=True)
    return Issued(builder.sign(issuer.key if issuer else key, HASHES[hash_]), key)


STAMPING = ExtendedKeyUsageOID.TIME_STAMPING
ROOT = issue("Root", ec_key(1001), authority=True)
BETWEEN = issue("Between", ec_key(1002, ec.SECP384R1()), issuer=ROOT, authority=True, path_length=0)
OTHER_ROOT = issue("Root", ec_key(1003), authority=True)


def stamper(key: Key | None = None, issuer: Issued = BETWEEN, **certificate: Any) -> Issued:
    return issue("Stamps", key or ec_key(1004), issuer=issuer, **{"usages": [STAMPING], **certificate})


STAMPER = stamper()


@dataclass
class Wrong:
    """What is to be wrong with a token."""

    info: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    signer: dict[str, Any] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    flips_signature: bool = False


def token(
    text: bytes,
    *,
    by: Issued = STAMPER,
    sent: list[Issued] | None = None,
    at: datetime = AT,
    digest: str = "sha256",
    imprint: str = "sha256",
    pss: bool = False,
    old: bool = False,
    wrong: Wrong | None = None,
) -> bytes:
    """A TimeStampToken over the text. `old` names the certificate by its SHA-1, as RFC 3161 did first."""
    wrong = wrong or Wrong()
    hashed = {"hash_algorithm": {"algorithm": imprint}, "hashed_message": hashlib.new(imprint, text).digest()}
    stated = {"version": "v1", "policy": "1.2.3.4", "message_imprint": hashed, "serial_number": 7, "gen_time": at}
    info = tsp.TSTInfo({**stated, "nonce": 99, **wrong.info}).dump()
    attributes = signed_attributes(info, by, digest, old=old, wrong=wrong)
    signature = bytearray(sign(by.key, attributes.dump(), digest, pss=pss))
    signature[-1] ^= wrong.flips_signature
    named = asn1_x509.Certificate.load(by.der)
    signer = {
        "version": "v1",
        "sid": {"issuer_and_serial_number": {"issuer": named.issuer, "serial_number": named.serial_number}},
        "digest_algorithm": {"algorithm": digest},
        "signed_attrs": attributes,
        "signature_algorithm": algorithm(by.key, digest, pss=pss),
        "signature": bytes(signature),
        **wrong.signer,
    }
    if signer["sid"] == "key":
        signer |= {"version": "v3", "sid": cms.SignerIdentifier({"subject_key_identifier": named.key_identifier})}
    chain = [by, BETWEEN] if sent is None else sent
    data = {
        "version": "v3",
        "digest_algorithms": [{"algorithm": digest}],
        "encap_content_info": {"content_type": "tst_info", "content": cms.ParsableOctetString(info)},
        "certificates": [asn1_x509.Certificate.load(each.der) for each in chain],
        "signer_infos": [signer],
    }
    return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(data)}).dump()


def signed_attributes(info: bytes, by: Issued, digest: str, *, old: bool, wrong: Wrong) -> cms.CMSAttributes:
    essential = tsp.SigningCertificateV2({"certs": [{"cert_hash": hashlib.sha256(by.der).digest()}]})
    name = "signing_certificate_v2"
    if old:
        name = "signing_certificate"
        essential = tsp.SigningCertificate({"certs": [{"cert_hash": hashlib.sha1(by.der).digest()}]})
    values = {
        "content_type": "tst_info",
        "signing_time": cms.Time({"utc_time": AT + timedelta(seconds=1)}),
        "message_digest": hashlib.new(digest, info).digest(),
        name: essential,
        **wrong.attributes,
    }
    kept = {name: value for name, value in values.items() if name not in wrong.lacks}
    return cms.CMSAttributes([cms.CMSAttribute({"type": name, "values": [value]}) for name, value in kept.items()])


def algorithm(key: Key, digest: str, *, pss: bool) -> cms.SignedDigestAlgorithm:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return algos.SignedDigestAlgorithm({"algorithm": f"{digest}_ecdsa"})
    if not pss:
        return algos.SignedDigestAlgorithm({"algorithm": f"{digest}_rsa"})
    hashed = algos.DigestAlgorithm({"algorithm": digest})
    mask = algos.MaskGenAlgorithm({"algorithm": "mgf1", "parameters": hashed})
    size = hashlib.new(digest).digest_size
    padded = {"hash_algorithm": hashed, "mask_gen_algorithm": mask, "salt_length": size}
    return algos.SignedDigestAlgorithm({"algorithm": "rsassa_pss", "parameters": algos.RSASSAPSSParams(padded)})


def sign(key: Key, data: bytes, digest: str, *, pss: bool) -> bytes:
    hash_ = HASHES[digest]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(hash_))
    if pss:
        return key.sign(data, padding.PSS(padding.MGF1(hash_), hash_.digest_size), hash_)
    return key.sign(data, padding.PKCS1v15(), hash_)
