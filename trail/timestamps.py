"""Time stamps of RFC 3161: a token from a time-stamp authority over a digest, and the check of one.

What is kept and passed on is always the TimeStampToken itself (CMS, DER), never the whole answer of an authority.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from asn1crypto import cms, core, tsp
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from rfc3161_client import TimeStampResponse, VerificationError, VerifierBuilder, decode_timestamp_response

from trail import posting

QUERY, REPLY = "application/timestamp-query", "application/timestamp-reply"
DIGEST = 32
SHA256 = x509.ObjectIdentifier("2.16.840.1.101.3.4.2.1")
# What OpenSSL says of a chain, and what we say.
CHAIN = {
    "certificate has expired": "The authority's certificate had expired when it signed.",
    "not yet valid": "The authority's certificate was not valid yet when it signed.",
    "unable to get local issuer certificate": "The authority's certificate does not lead to a pinned root.",
    "self-signed certificate": "The authority's certificate does not lead to a pinned root.",
    "unsuitable certificate purpose": "The authority's certificate is not one for time-stamping.",
}


class NotStamped(Exception):
    """Why there is no token from the authority."""


class InvalidTimestamp(ValueError):
    """A token that is malformed, stands over another digest, or comes from an authority that is not pinned."""


class Answer(core.Sequence):  # type: ignore[misc]  # the library is untyped
    """TimeStampResp as RFC 3161 has it: a refusal comes without a token."""

    _fields = [("status", tsp.PKIStatusInfo), ("token", cms.ContentInfo, {"optional": True})]


def stamp(digest: bytes, *, url: str, timeout: float) -> bytes:
    """A TimeStampToken (DER) over `digest`, a SHA-256, from the authority at `url`.

    It answers this very question; whether its signer is one to trust, `verify` says.
    """
    if len(digest) != DIGEST:
        raise ValueError(f"A SHA-256 digest is {DIGEST} bytes, not {len(digest)}.")
    nonce = secrets.randbits(63)
    imprint = {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest}
    question = tsp.TimeStampReq({"version": "v1", "message_imprint": imprint, "nonce": nonce, "cert_req": True})
    reply = _sent(question.dump(), url, timeout)
    try:
        answer = Answer.load(reply, strict=True)
        status, said = answer["status"]["status"].native, answer["status"]["status_string"].native
    except (ValueError, TypeError, KeyError) as wrong:
        raise NotStamped(f"{url} did not answer with a time stamp: {_line(wrong)}") from None
    if status not in ("granted", "granted_with_mods"):
        because = f": {' '.join(said)}" if said else ""
        raise NotStamped(f"The authority at {url} answered «{status}»{because}.")
    try:
        token = _in_order(answer["token"].dump())
        stated = _opened(token).tst_info
        _require_imprint(stated.message_imprint, digest)
    except InvalidTimestamp as wrong:
        raise NotStamped(f"The authority at {url} answered with a token of no use. {wrong}") from None
    if stated.nonce != nonce:
        raise NotStamped(f"The authority at {url} answered another question than ours.")
    return token


def verify(token: bytes, digest: bytes, roots: Sequence[bytes]) -> datetime:
    """When the authority says `digest` existed: the token's genTime.

    `roots` are certificates in PEM, of which one at least signs itself; others may complete the chain. The chain must
    have been valid at genTime. Raises InvalidTimestamp.
    """
    pinned = _certificates(roots)
    answer = _opened(token)
    _require_unity(token)
    try:
        stated = answer.tst_info
        _require_imprint(stated.message_imprint, digest)
        VerifierBuilder(roots=pinned).build().verify(answer, digest)
    except VerificationError as wrong:
        raise InvalidTimestamp(_sentence(str(wrong))) from None
    except InvalidTimestamp:
        raise
    except Exception as wrong:  # noqa: BLE001 - bytes from outside, read by two libraries: nothing but yes is yes
        raise _unreadable(wrong) from None
    return stated.gen_time


def stated(token: bytes, digest: bytes) -> datetime:
    """When the token by itself says that `digest` existed: its signature fits the certificate in it, whoever's it is.

    This shows that the token is whole, and nothing of who made it: that shows `verify`. Raises InvalidTimestamp.
    """
    answer = _opened(token)
    try:
        _require_imprint(answer.tst_info.message_imprint, digest)
        _require_own_signature(_require_unity(token), token)
    except InvalidTimestamp:
        raise
    except InvalidSignature:
        raise InvalidTimestamp("The token's signature does not fit.") from None
    except Exception as wrong:  # noqa: BLE001 - bytes from outside, read by a library
        raise _unreadable(wrong) from None
    return answer.tst_info.gen_time


def _sent(question: bytes, url: str, timeout: float) -> bytes:
    try:
        answer = posting.post(url, question, timeout=timeout, Content_Type=QUERY, Accept=REPLY)
    except posting.NoAnswer as none:
        raise NotStamped(str(none)) from None
    if answer.status != 200:
        raise NotStamped(f"{url} answered {answer.status} {answer.reason}.")
    return answer.body


def _in_order(token: bytes) -> bytes:
    """The token with its certificates in DER's order, which is not signed and which many authorities don't keep."""
    try:
        certificates = cms.ContentInfo.load(token, strict=True)["content"]["certificates"]
        ordered = b"".join(sorted(certificate.dump() for certificate in certificates))
        return token.replace(certificates.contents, ordered, 1) if ordered else token
    except Exception as wrong:  # noqa: BLE001 - bytes from outside, read by a library
        raise _unreadable(wrong) from None


def _require_unity(token: bytes) -> x509.Certificate:
    """What stands in a token beside its signed parts must be as they have it: no byte may be changed unseen.

    The certificate of its signer, which the signed parts name by its hash.
    """
    try:
        signed = cms.ContentInfo.load(token, strict=True)["content"]
        signer = _signer(signed)
        digests = {each["algorithm"].native for each in (*signed["digest_algorithms"], signer["digest_algorithm"])}
        algorithm = signer["signature_algorithm"]
        if algorithm["algorithm"].native != "rsassa_pkcs1v15":  # which names no hash of its own
            digests.add(algorithm.hash_algo)
        versions = signed["version"].native, signer["version"].native
        certificate = _named_certificate(signed, signer)
    except Exception as wrong:  # noqa: BLE001 - bytes from outside, read by a library
        raise _unreadable(wrong) from None
    if len(digests) > 1 or versions != ("v3", "v1") or certificate is None:
        raise InvalidTimestamp("The parts of the token contradict each other.")
    return certificate


def _signer(signed: Any) -> Any:
    (signer,) = signed["signer_infos"]
    return signer


def _attributes(signer: Any) -> dict[str, Any]:
    return {each["type"].native: each["values"][0] for each in signer["signed_attrs"]}


def _named_certificate(signed: Any, signer: Any) -> x509.Certificate | None:
    """The certificate of the token that its signed attributes name (RFC 5816; SHA-1 in the older form of RFC 3161)."""
    attributes = _attributes(signer)
    if "signing_certificate_v2" in attributes:
        named = attributes["signing_certificate_v2"]["certs"][0]
        algorithm = named["hash_algorithm"]["algorithm"].native
    else:
        named, algorithm = attributes["signing_certificate"]["certs"][0], "sha1"
    for each in signed["certificates"]:
        names = each.chosen.issuer.dump(), each.chosen.serial_number
        if hashlib.new(algorithm, each.dump()).digest() == named["cert_hash"].native:
            said = signer["sid"].chosen
            fits = names == (said["issuer"].dump(), said["serial_number"].native)
            return x509.load_der_x509_certificate(each.dump()) if fits else None
    return None


def _require_own_signature(certificate: x509.Certificate, token: bytes) -> None:
    signed = cms.ContentInfo.load(token, strict=True)["content"]
    signer, content = _signer(signed), signed["encap_content_info"]["content"].contents
    name, key, signature = signer["digest_algorithm"]["algorithm"].native, certificate.public_key(), signer["signature"]
    if hashlib.new(name, content).digest() != _attributes(signer)["message_digest"].native:
        raise InvalidTimestamp("The token's content was changed.")
    attributes = b"\x31" + signer["signed_attrs"].dump()[1:]  # signed as the SET that it is
    hash_ = getattr(hashes, name.upper())()
    if isinstance(key, rsa.RSAPublicKey) and signer["signature_algorithm"].signature_algo == "rsassa_pkcs1v15":
        key.verify(signature.native, attributes, padding.PKCS1v15(), hash_)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature.native, attributes, ec.ECDSA(hash_))
    else:
        raise InvalidTimestamp("The token is signed in a way that is not known here.")


def _opened(token: bytes) -> TimeStampResponse:
    """The token in the envelope in which alone the library reads it."""
    try:
        content = cms.ContentInfo.load(token, strict=True)
        envelope = Answer({"status": {"status": "granted"}, "token": content})
        answer = decode_timestamp_response(envelope.dump())
        answer.tst_info  # noqa: B018 - read lazily, and refused if it can't be
    except Exception as wrong:  # noqa: BLE001 - bytes from outside, read by two libraries
        raise _unreadable(wrong) from None
    return answer


def _require_imprint(imprint: Any, digest: bytes) -> None:
    if imprint.hash_algorithm != SHA256 or imprint.message != digest:
        raise InvalidTimestamp("The token stands over another digest.")


def _certificates(roots: Sequence[bytes]) -> list[x509.Certificate]:
    try:
        pinned = [certificate for pem in roots for certificate in x509.load_pem_x509_certificates(pem)]
    except ValueError:
        raise InvalidTimestamp("The pinned certificates of the authority are not PEM.") from None
    if not pinned:
        raise InvalidTimestamp("No certificate of the authority is pinned.")
    return pinned


def _sentence(said: str) -> str:
    for words, sentence in CHAIN.items():
        if words in said:
            return sentence
    if "pkcs7" in said.lower():
        return "The token's signature does not fit, or the authority's certificate does not lead to a pinned root."
    return f"The token does not hold: {said}"


def _unreadable(wrong: Exception) -> InvalidTimestamp:
    return InvalidTimestamp(f"This is no RFC 3161 time-stamp token in DER: {_line(wrong)}")


def _line(wrong: Exception) -> str:
    return " ".join(str(wrong).split())[:200] or type(wrong).__name__
