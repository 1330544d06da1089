"""A small but complete evidence pack, made with the trail's own parts, and ways to damage it."""

from __future__ import annotations

import functools
import importlib.util
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests import authority
from trail import cosigning, dsse, merkle, notes, packing, proofs, sealing
from trail.canonical import canonical, canonical_result, digest

PROGRAM = Path(__file__).parents[1] / "clients" / "verify.py"

ORIGIN = "countersign.test/log"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
VKEY = notes.vkey(ORIGIN, PUBLIC)
NEXT = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
NEXT_VKEY = notes.vkey(ORIGIN, NEXT.public_key().public_bytes_raw())

COSIGNER_NAME, COSIGNER = f"{ORIGIN}/cosigner", MLDSA44PrivateKey.from_seed_bytes(bytes(range(2, 34)))
COSIGNER_VKEY = cosigning.vkey(COSIGNER_NAME, COSIGNER.public_key())
WITNESS_NAME, WITNESS = "witness.test/w1", Ed25519PrivateKey.from_private_bytes(bytes(range(3, 35)))
WITNESS_VKEY = cosigning.vkey(WITNESS_NAME, WITNESS.public_key())

ARTIFACT = digest(b"the artifact")
SIZE = 9
RUN, SIGNATURE, BY_PASSKEY = "11111111-aaaa", "22222222-bbbb", "33333333-cccc"
FOLDER = "versions/scorecard-v1"
RUN_PATH = f"{FOLDER}/runs/{RUN}.json"
SIGNATURE_PATH, PASSKEY_PATH = (f"{FOLDER}/signatures/{each}.json" for each in (SIGNATURE, BY_PASSKEY))
ATTESTATION, POLICY, GATE = (f"{FOLDER}/{name}" for name in ("attestation.dsse.json", "policy.yaml", "gate.json"))
VERSION = {
    "path": FOLDER,
    "model": "scorecard",
    "model_name": "Scorecard",
    "version": "Scorecard v1",
    "version_id": "v1",
    "artifact_digest": ARTIFACT,
}
PACK = {
    "id": "99999999-ffff",
    "origin": ORIGIN,
    "created_at": "2026-01-02T03:04:05+00:00",
    "as_of": None,
    "requested_by": "Aud Itor",
    "size": SIZE,
    "versions": [VERSION],
}
SIGNED_AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
# where the story's events stand in the log
MEASURED, ADDED, SIGNED, SIGNED_BY_PASSKEY, RELEASED, ERASED = 1, 2, 3, 4, 6, 8

Entries = dict[str, bytes]


def at(index: int) -> str:
    return f"events/{index:012d}"


@functools.cache
def program() -> ModuleType:
    """The verifier, but its signature checks remember their answers: thousands of damaged packs hold the same few."""
    spec = importlib.util.spec_from_file_location("verify", PROGRAM)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("ed25519_verifies", "ml_dsa_verifies", "ecdsa_verifies", "rsa_pkcs1_verifies"):
        setattr(module, name, functools.cache(getattr(module, name)))
    return module


# --- events


def event(
    kind: str, *, subject: str, facts: dict[str, Any] | None = None, actor: str = "u1", **more: Any
) -> sealing.Sealed:
    content = {
        "id": f"id of {kind} {subject} {actor}",
        "type": kind,
        "at": "2026-01-02T03:00:00+00:00",
        "action": "0000-aaaa",
        "actor": {"id": actor, "name": "Vera Váldez", "kind": "person"},
        "subject": {"type": "thing", "id": subject, "label": subject},
        "reason": "because",
        "unit": "",
        "changes": {"stage": ["draft", "live"]} if kind.endswith("released") else {},
        "facts": facts or {},
        **more,
    }
    return sealing.seal(content, [])


def erased(sealed: sealing.Sealed, *names: str) -> sealing.Sealed:
    """The event once these values are gone."""
    left = [each for each in json.loads(sealed.disclosed) if each[1] not in names]
    return sealing.Sealed(sealed.body, canonical(left), sealed.content)


def story(**given: Any) -> dict[int, sealing.Sealed]:
    """The pack's events by their place in the log; what is given replaces a file they are about."""
    run, attested = given.get("run") or run_file(), given.get("attested") or attestation()
    first, second = given.get("signature") or signature_file(), given.get("by_passkey") or passkey_file()
    key = given.get("key") or DEVICE
    said = [stated_by(json.loads(each)["signature"]) for each in (first, second)]
    return {
        MEASURED: event("audits.run.succeeded", subject=RUN, facts={"result_digest": digest(run)}),
        ADDED: event("people.passkey.added", subject="u2", actor="u2", facts={"public_key": digest(spki(key))}),
        SIGNED: event("governance.signature.signed", subject="p1", facts=said[0]),
        SIGNED_BY_PASSKEY: event("governance.signature.signed", subject="p1", actor="u2", facts=said[1]),
        RELEASED: event(
            "governance.promotion.released",
            subject="p1",
            facts={
                "attestation": digest(attested),
                "version": "v1",
                "artifact_digest": ARTIFACT,
                "signatures": [each["digest"] for each in said],
            },
        ),
    }


def stated_by(signature: dict[str, Any]) -> dict[str, Any]:
    return {"signature": signature["id"], "digest": signature["digest"], "method": signature["method"]}


# --- runs, signatures, attestations


def run_file(artifact: str = ARTIFACT, version: str = "v1") -> bytes:
    run = {"id": RUN, "check": "fairness", "seed": 7, "version": {"id": version}, "artifact_digest": artifact}
    return canonical_result({"run": run, "result": {"auc": 0.7512}})


DOSSIER = {"v": 1, "version": {"id": "v1"}, "artifact_digest": ARTIFACT}


def statement(signer: str = "u1", dossier: dict[str, Any] = DOSSIER, **other: Any) -> bytes:
    said = {
        "v": 2,
        "signer": {"id": signer, "name": "Vera Váldez"},
        "role": "validator",
        "meaning": "approval",
        "comment": "",
        "shown_at": "2026-01-02T02:59:00+00:00",
        "dossier": dossier,
        "dossier_digest": digest(canonical(dossier)),
    }
    return canonical(said | other)


def signature_file(shown: bytes | None = None, *, method: str = "password", **changed: Any) -> bytes:
    shown = shown or statement()
    stated = {
        "id": SIGNATURE,
        "signer": "u1",
        "signer_name": "Vera Váldez",
        "role": "validator",
        "meaning": "approval",
        "method": method,
        "comment": "",
        "at": "2026-01-02T03:00:00+00:00",
        "about": {"type": "governance.promotion", "id": "p1"},
        "digest": digest(shown),
        "dossier_digest": json.loads(shown)["dossier_digest"],
        **changed,
    }
    return canonical({"signature": stated, "statement": b64encode(shown).decode()})


DEVICE = ec.derive_private_key(2001, ec.SECP256R1())
Device = ec.EllipticCurvePrivateKey | Ed25519PrivateKey | rsa.RSAPrivateKey


def spki(key: Device) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def passkey_file(shown: bytes | None = None, *, passkey: dict[str, str] | None = None, **changed: Any) -> bytes:
    shown = shown or statement("u2")
    content = json.loads(signature_file(shown, **{"method": "passkey", "id": BY_PASSKEY, "signer": "u2", **changed}))
    return canonical(content | {"passkey": passkey or assertion(shown)})


def assertion(shown: bytes, *, key: Device = DEVICE, **wrong: Any) -> dict[str, str]:
    """What an authenticator gives for the statement, or what is wrong with it."""
    rp_id, origin = wrong.get("rp_id", "countersign.test"), wrong.get("origin", "https://countersign.test")
    challenge = urlsafe_b64encode(sha256(shown).digest()).rstrip(b"=").decode()
    said = {"type": "webauthn.get", "challenge": challenge, "origin": origin, "crossOrigin": False}
    client = json.dumps(said | wrong.get("client", {})).encode()
    data = sha256(wrong.get("signed_rp_id", rp_id).encode()).digest() + bytes([wrong.get("flags", 0x05), 0, 0, 0, 9])
    data += wrong.get("more", b"")
    made = {
        "credential_id": b"credential",
        "public_key": wrong.get("public_key", spki(key)),
        "authenticator_data": data,
        "client_data_json": client,
        "signature": wrong.get("signature") or answer(key, data + sha256(client).digest()),
    }
    return {name: b64encode(each).decode() for name, each in made.items()} | {"rp_id": rp_id, "origin": origin}


def answer(key: Device, message: bytes) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(SHA256()))
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(message, padding.PKCS1v15(), SHA256())
    return key.sign(message)


def attestation(
    artifact: str = ARTIFACT,
    *,
    private_key: Ed25519PrivateKey = PRIVATE,
    result: str = "PASSED",
    beside: str | None = None,
    **other: Any,
) -> bytes:
    """A release's attestation. `beside` is the digest by which OpenSSF Model Signing knows the artifact."""
    said = dsse.statement(
        subject_name="scorecard/v1",
        sha256=artifact,
        beside={"scorecard/v1 (manifest)": beside} if beside else {},
        predicate_type="https://slsa.dev/verification_summary/v1",
        predicate={"verificationResult": result},
    )
    return canonical(dsse.sign(canonical(said | other), keyid="k", private_key=private_key))


# --- the log and its checkpoint


def leaves(events: Mapping[int, sealing.Sealed], size: int = SIZE) -> list[bytes]:
    """The bodies of the whole log; those of the pack are at their places."""
    return [events[index].body if index in events else b"another event %d" % index for index in range(size)]


def checkpoint(bodies: list[bytes], *, private_key: Ed25519PrivateKey = PRIVATE, origin: str = ORIGIN) -> str:
    text = notes.checkpoint_text(origin, len(bodies), merkle.root([merkle.leaf_hash(body) for body in bodies]))
    return notes.sign_note(text, name=origin, private_key=private_key)


def cosigned(note: str) -> str:
    """The note as the issuer's second key and a witness sign it."""
    note = cosigning.cosign(note, name=COSIGNER_NAME, private_key=COSIGNER, at=SIGNED_AT)
    return cosigning.cosign(note, name=WITNESS_NAME, private_key=WITNESS, at=SIGNED_AT)


def text_of(note: str) -> bytes:
    return notes.text_of(note).encode()


def evidence(events: Mapping[int, sealing.Sealed], *, note: str | None = None, size: int = SIZE) -> Entries:
    """The events with what they disclose and their proofs, and the checkpoint that closes the log."""
    bodies = leaves(events, size)
    hashes = [merkle.leaf_hash(body) for body in bodies]
    note = note or checkpoint(bodies)
    found: Entries = {}
    for index, sealed in sorted(events.items()):
        proof = proofs.write(index, merkle.inclusion_proof(index, hashes), note)
        found |= {f"{at(index)}.json": sealed.body, f"{at(index)}.disclosed.json": sealed.disclosed}
        found[f"{at(index)}.tlog-proof"] = proof.encode()
    return found | {"checkpoint.txt": note.encode()}


def anchor(**other: Any) -> dict[str, Any]:
    root = b64encode(merkle.root([merkle.leaf_hash(b"then")])).decode()
    held = {"kind": "witness", "target": WITNESS_NAME, "size": 1, "root": root, "at": "2026-01-01T00:00:00+00:00"}
    return held | other


# --- the pack


def of_version(policy: bytes = b"tier: 1\n", folder: str = FOLDER) -> Entries:
    return {
        f"{folder}/card.json": b"{}",
        f"{folder}/card.md": b"# Card\n",
        f"{folder}/card.html": b"<p>Card</p>",
        f"{folder}/gate.json": canonical({"decision": "allowed", "policy": {"digest": digest(policy)}}),
        f"{folder}/policy.yaml": policy,
    }


def entries(*, events: Mapping[int, sealing.Sealed] | None = None, note: str | None = None, **given: Any) -> Entries:
    """Everything a pack holds but its seal. What is given replaces the honest part; events follow it or not."""
    return {
        "README.txt": b"Read me.\n",
        **of_version(),
        ATTESTATION: given.get("attested") or attestation(),
        RUN_PATH: given.get("run") or run_file(),
        SIGNATURE_PATH: given.get("signature") or signature_file(),
        PASSKEY_PATH: given.get("by_passkey") or passkey_file(),
        **evidence(story(**given) if events is None else events, note=note),
        "anchors.json": canonical(given.get("anchors", [anchor()])),
        "evidence.pdf": b"%PDF-1.7\n",
        "oscal.json": b"{}",
    }


def anchored_entries() -> tuple[Entries, bytes]:
    """A pack whose checkpoint others signed and stamped, too; and the stamp."""
    events = story()
    note = cosigned(checkpoint(leaves(events)))
    stamp = authority.token(text_of(note))
    return {**entries(events=events, note=note), "checkpoint.tst": stamp}, stamp


def zipped(sealed: Entries, *, limits: packing.Limits | None = None) -> bytes:
    file = BytesIO()
    packing.write_zip(file, sealed.items(), limits=limits)
    return file.getvalue()


def manifest(entries: Entries, *, pack: dict[str, Any] = PACK) -> bytes:
    listed = [{"path": path, "sha256": digest(data)[7:], "size": len(data)} for path, data in entries.items()]
    return packing.manifest(b",".join(map(canonical, listed)), pack=pack)


def seal(entries: Entries, *, pack: dict[str, Any] = PACK, private_key: Ed25519PrivateKey = PRIVATE) -> Entries:
    """The entries, then their manifest and its signature: what `packing.write_pack` writes of them."""
    listed = manifest(entries, pack=pack)
    note = notes.sign_note(packing.manifest_text(pack["id"], listed), name=ORIGIN, private_key=private_key)
    return {**entries, packing.MANIFEST: listed, packing.SIGNATURE: note.encode()}


def sealed(parts: Entries, *, pack: dict[str, Any] = PACK, private_key: Ed25519PrivateKey = PRIVATE) -> bytes:
    """A pack whose manifest the issuer signed, whatever is in it."""
    return zipped(seal(parts, pack=pack, private_key=private_key))


def signed_manifest(parts: Entries, manifest: bytes) -> bytes:
    """A pack with this very manifest, signed."""
    text = packing.manifest_text(str(PACK["id"]), manifest)
    note = notes.sign_note(text, name=ORIGIN, private_key=PRIVATE)
    return zipped({**parts, "manifest.json": manifest, "manifest.sig": note.encode()})


def written_pins(folder: Path, *lines: str) -> Path:
    """A file of pins, with the authority's root beside it."""
    (folder / "tsa.pem").write_text(authority.ROOT.pem)
    path = folder / "pins"
    path.write_text("\n".join(lines) + "\n")
    return path


def all_pins(folder: Path) -> Path:
    kept = [f"log {VKEY} sizes 0-", f"cosigner {COSIGNER_VKEY}", f"witness {WITNESS_VKEY}", "tsa tsa.pem"]
    return written_pins(folder, "# what we trust", *kept)


# --- an exported log


def bundle_path(number: int, width: int = 256) -> str:
    digits = f"{number:03d}".zfill(-(-len(f"{number:03d}") // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    return "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:]) + ("" if width == 256 else f".p/{width}")


def exported(folder: Path, bodies: list[bytes], note: str | None = None) -> Path:
    """The log as static files (c2sp.org/tlog-tiles)."""
    hashes, level = [merkle.leaf_hash(body) for body in bodies], 0
    while hashes:
        for number in range(-(-len(hashes) // 256)):
            row = hashes[number * 256 : number * 256 + 256]
            put(folder / "tile" / str(level) / bundle_path(number, len(row)), b"".join(row))
            if level == 0:
                part = bodies[number * 256 : number * 256 + 256]
                bundle = b"".join(len(body).to_bytes(2, "big") + body for body in part)
                put(folder / "tile" / "entries" / bundle_path(number, len(row)), bundle)
        hashes = [merkle.root(hashes[at : at + 256]) for at in range(0, len(hashes) // 256 * 256, 256)]
        level += 1
    put(folder / "checkpoint", (note or checkpoint(bodies)).encode())
    return folder


def put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
