"""A small but complete evidence pack, made with the trail's own parts, and ways to damage it."""

from __future__ import annotations

import json
from base64 import b64encode
from io import BytesIO
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from trail import dsse, merkle, notes, packing
from trail.canonical import canonical, canonical_result, digest

ORIGIN = "countersign.test/log"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
VKEY = notes.vkey(ORIGIN, PUBLIC)

ARTIFACT = digest(b"the artifact")
RUN, SIGNATURE = "11111111-aaaa", "22222222-bbbb"
RUN_PATH, SIGNATURE_PATH = f"runs/{RUN}.json", f"signatures/{SIGNATURE}.json"
ATTESTATION = "attestation.dsse.json"
PACK = {
    "id": "99999999-ffff",
    "model": "scorecard",
    "version": "1.0.0",
    "artifact_digest": ARTIFACT,
    "created_at": "2026-01-02T03:04:05+00:00",
    "origin": ORIGIN,
}


def event(kind: str, *, subject: str, facts: dict[str, Any], actor: str = "u1") -> bytes:
    content = {
        "v": 1,
        "id": digest(kind.encode())[7:15],
        "type": kind,
        "at": "2026-01-02T03:00:00+00:00",
        "actor": {"id": actor, "name": "Vera Váldez", "kind": "person"},
        "subject": {"type": "thing", "id": subject, "label": subject},
        "reason": "because",
        "unit": "",
        "changes": {},
        "facts": facts,
    }
    return canonical(content)


def run_file() -> bytes:
    run = {"id": RUN, "check": "fairness", "params": {}, "seed": 7, "artifact_digest": ARTIFACT}
    return canonical_result({"run": run, "result": {"auc": 0.7512}})


def signature_file() -> bytes:
    statement = canonical({"meaning": "approval", "role": "validator", "dossier_digest": digest(b"dossier")})
    signature = {
        "id": SIGNATURE,
        "signer": "u1",
        "signer_name": "Vera Váldez",
        "role": "validator",
        "meaning": "approval",
        "method": "password",
        "at": "2026-01-02T03:00:00+00:00",
        "digest": digest(statement),
        "dossier_digest": digest(b"dossier"),
    }
    return canonical({"signature": signature, "statement": b64encode(statement).decode()})


def attestation(artifact: str = ARTIFACT, *, private_key: Ed25519PrivateKey = PRIVATE) -> bytes:
    statement = dsse.statement(
        subject_name="scorecard 1.0.0", sha256=artifact, predicate_type="https://countersign.test/p", predicate={}
    )
    return canonical(dsse.sign(canonical(statement), keyid="k", private_key=private_key))


def story(*, run: bytes, signature: bytes, attested: bytes) -> dict[int, bytes]:
    """Three events of the pack by their place in a log of seven."""
    signed = {"signature": SIGNATURE, "digest": json.loads(signature)["signature"]["digest"]}
    return {
        1: event("audits.run.succeeded", subject=RUN, facts={"result_digest": digest(run)}),
        3: event("governance.signature.signed", subject="p1", facts=signed),
        6: event("governance.promotion.released", subject="p1", facts={"attestation": digest(attested)}),
    }


def evidence(events: dict[int, bytes], *, size: int = 7) -> dict[str, bytes]:
    """The events with their proofs and the checkpoint that closes the log."""
    leaves = [merkle.leaf_hash(events.get(index, b"another event %d" % index)) for index in range(size)]
    root = merkle.root(leaves)
    proofs = [
        {
            "index": index,
            "event": f"events/{index:012d}.json",
            "leaf_hash": b64encode(leaves[index]).decode(),
            "proof": [b64encode(node).decode() for node in merkle.inclusion_proof(index, leaves)],
        }
        for index in events
    ]
    checkpoint = notes.sign_note(notes.checkpoint_text(ORIGIN, size, root), name=ORIGIN, private_key=PRIVATE)
    return {
        **{f"events/{index:012d}.json": body for index, body in events.items()},
        "proofs.json": canonical({"size": size, "root": b64encode(root).decode(), "proofs": proofs}),
        "checkpoint.txt": checkpoint.encode(),
    }


def entries(
    *,
    run: bytes | None = None,
    signature: bytes | None = None,
    attested: bytes | None = None,
    events: dict[int, bytes] | None = None,
) -> dict[str, bytes]:
    """Everything a pack holds but its manifest. What is given replaces the honest part; events follow it or not."""
    run, signature, attested = run or run_file(), signature or signature_file(), attested or attestation()
    policy = b"tier: 1\n"
    return {
        "README.txt": b"Read me.\n",
        "card.json": b"{}",
        "card.md": b"# Card\n",
        "card.html": b"<p>Card</p>",
        "evidence.pdf": b"%PDF-1.7\n",
        "policy.yaml": policy,
        "gate.json": canonical({"decision": "allowed", "policy": {"digest": digest(policy)}}),
        RUN_PATH: run,
        SIGNATURE_PATH: signature,
        ATTESTATION: attested,
        **evidence(story(run=run, signature=signature, attested=attested) if events is None else events),
    }


def zipped(sealed: dict[str, bytes]) -> bytes:
    file = BytesIO()
    packing.write_pack(file, sealed)
    return file.getvalue()


def sealed(parts: dict[str, bytes], *, pack: dict[str, Any] = PACK, private_key: Ed25519PrivateKey = PRIVATE) -> bytes:
    """A pack whose manifest the issuer signed, whatever is in it."""
    return zipped(packing.seal(parts, pack=pack, name=ORIGIN, private_key=private_key))


def signed_manifest(parts: dict[str, bytes], manifest: bytes) -> bytes:
    """A pack with this very manifest, signed."""
    text = packing.manifest_text(PACK["id"], manifest)
    note = notes.sign_note(text, name=ORIGIN, private_key=PRIVATE)
    return zipped({**parts, "manifest.json": manifest, "manifest.sig": note.encode()})
