"""The files of an evidence pack, in their order (clients/verify.py checks them; trail/packing.py seals them)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from django.conf import settings

from people.models import Signature
from reports import cards, evidence, gathering
from reports.gathering import Evidence
from reports.models import Pack
from trail import checkpoints, keys, packing
from trail.canonical import canonical, canonical_result

Progress = Callable[[float, str], None]

README = """\
EVIDENCE PACK
{title}

This archive holds what was known, measured and decided about one version of a model, and the entries of the
issuer's append-only log that record it, each with its proof.

To read it       evidence.pdf, or card.html
To check it      python3 verify.py {file} --key KEY

verify.py is one file that needs nothing but Python. Take it, and KEY, the issuer's public key, from a place you
trust, not from whoever handed you this archive. Any altered byte makes the check fail and say what was altered.

  evidence.pdf             everything below, in words
  card.html, .md, .json    the model card, for people, model hubs and machines
  gate.json                what the policy asked, and whether it was met
  policy.yaml              the policy by which the gate judged
  runs/                    the full result of each check, as it was recorded
  signatures/              each signature with the exact statement that was shown to the signer
  attestation.dsse.json    the signed in-toto statement of the release, if there was one
  events/                  the entries of the log about all of this, byte for byte
  proofs.json              where each entry stands in the log, and the path from it to the log's root
  checkpoint.txt           the log's size and root, signed by the issuer
  manifest.json, .sig      the SHA-256 of every file, signed by the issuer

Issuer's log     {origin}
Issuer's key     {key}
                 (compare it with the one you pinned; don't take it from here)
Log at           {size} entries, {moment} UTC
"""


def sealed(pack: Pack, *, progress: Progress) -> dict[str, bytes]:
    progress(0.05, "Gathering the records")
    found = gathering.gather(pack)
    progress(0.2, "Writing the model card")
    entries = files(found, progress=progress)
    progress(0.9, "Sealing the pack")
    return packing.seal(entries, pack=found.described, name=settings.LOG_ORIGIN, private_key=keys.signing_key())


def files(found: Evidence, *, progress: Progress) -> dict[str, bytes]:
    """Every file but the seal: what people read first, what machines check last."""
    written = {
        "README.txt": readme(found),
        "card.json": cards.as_json(found.card),
        "card.md": cards.as_markdown(found.card).encode(),
        "card.html": cards.as_html(found.card).encode(),
    }
    progress(0.3, "Writing the evidence document")
    written["evidence.pdf"] = evidence.as_pdf(found)
    progress(0.8, "Adding results, signatures and proofs")
    written |= {"policy.yaml": found.policy_text.encode(), "gate.json": canonical_result(found.gate)}
    written |= {f"runs/{run.pk}.json": bytes(run.record) for run in found.runs}
    written |= {f"signatures/{each.pk}.json": signature(each) for each in found.signatures}
    if found.attestation:
        written["attestation.dsse.json"] = found.attestation.encode()
    written |= {event_path(entry.index): entry.body for entry in found.entries}
    return written | {"proofs.json": proofs(found), "checkpoint.txt": found.checkpoint.note.encode()}


def readme(found: Evidence) -> bytes:
    text = README.format(
        title=found.card.title,
        file="PACK.zip",
        origin=found.described["origin"],
        key=keys.verifier_key(),
        size=found.checkpoint.size,
        moment=f"{found.checkpoint.signed_at:%-d %B %Y, %H:%M:%S}",
    )
    return text.encode()


def signature(each: Signature) -> bytes:
    """A signature, and the exact bytes that were shown to the signer."""
    stated = {
        "id": str(each.pk),
        "signer": str(each.signer_id),
        "signer_name": each.signer_name,
        "role": each.role,
        "meaning": each.meaning,
        "method": each.method,
        "comment": each.comment,
        "at": each.signed_at.isoformat(),
        "about": {"type": each.about_type, "id": str(each.about_id)},
        "digest": each.digest,
        "dossier_digest": each.dossier_digest,
    }
    return canonical({"signature": stated, "statement": b64encode(bytes(each.statement)).decode()})


def event_path(index: int) -> str:
    return f"events/{index:012d}.json"


def proofs(found: Evidence) -> bytes:
    size = found.checkpoint.size
    proven = checkpoints.inclusions([entry.index for entry in found.entries], size=size)
    listed: list[dict[str, Any]] = [
        {
            "index": each.index,
            "event": event_path(each.index),
            "leaf_hash": text(each.leaf_hash),
            "proof": [text(node) for node in each.proof],
        }
        for each in proven
    ]
    return canonical({"size": size, "root": text(bytes(found.checkpoint.root)), "proofs": listed})


def text(data: bytes) -> str:
    return b64encode(data).decode()
