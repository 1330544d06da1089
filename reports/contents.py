"""The files of an evidence pack, made and written one by one (clients/verify.py checks them; trail/packing.py seals
them). Versions are gathered one at a time, and what was gathered is let go before the next."""

from __future__ import annotations

import logging
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from math import ceil
from typing import Any, BinaryIO

from django.conf import settings

from audits import jobs
from people.models import Method, Signature
from reports import cards, evidence, gathering, oscal, pdf_signing, queries
from reports.documents import Attached
from reports.gathering import Evidence
from reports.models import Pack
from trail import anchors, checkpoints, keys, moments, packing, past, proofs
from trail.canonical import canonical, canonical_result
from trail.models import Anchor, Checkpoint, Leaf
from trail.packing import Source
from trail.timestamps import NotStamped

log = logging.getLogger(__name__)

Progress = Callable[[float, str], None]
Files = Iterator[tuple[str, Source]]

# how much of the work is done when the versions, and when the events are written
VERSIONS_DONE, EVENTS_DONE = 0.6, 0.8
BATCH = 200
MOST_ATTACHED = 20 << 20
JSON = "application/json"
STAGES = 10

README = """\
EVIDENCE PACK
{title}

This archive holds what was known, measured and decided about {what}, and the entries of the
issuer's append-only log that record it, each with its proof.{as_of}

To read it       evidence.pdf, or the card.html of a version
To check it      python3 verify.py {file} --key KEY

verify.py is one file that needs nothing but Python. Take it, and KEY, the issuer's public key, from a place you
trust, not from whoever handed you this archive. Any altered byte makes the check fail and say what was altered.

  evidence.pdf             everything below, in words, signed by the issuer
  oscal.json               the same for the tools of assessors: OSCAL assessment results
  versions/                a folder for each version:
    card.html, .md, .json    the model card, for people, model hubs and machines
    gate.json                what the policy asked, and whether it was met
    policy.yaml              the policy by which the gate judged, as it stood then
    runs/                    the full result of each check, as it was recorded
    signatures/              each signature with the exact statement that was shown to the signer
    attestation.dsse.json    the signed in-toto statement of the release, if there was one
  events/                  the entries of the log about all of this: NUMBER.json is the entry, byte for byte,
                           NUMBER.disclosed.json what it says in clear (what is missing there was erased), and
                           NUMBER.tlog-proof its place in the log and the path from it to the log's root
  checkpoint.txt           the log's size and root, signed by the issuer
  checkpoint.tst           a time stamp over it by an outside authority, if there is one
  anchors.json             which checkpoints of the log are held outside, where, and since when
  manifest.json, .sig      the SHA-256 of every file, signed by the issuer

Issuer's log     {origin}
Issuer's key     {key}
                 (compare it with the one you pinned; don't take it from here)
Signs the PDF    certificate {certificate}
Log at           {size} entries, {moment} UTC
{anchored}
"""


@dataclass
class Making:
    """A pack while it is written."""

    pack: Pack
    checkpoint: Checkpoint
    # its note, with what witnesses signed below it
    note: str
    progress: Progress
    # the versions are added as they are written; the manifest, which states them, comes last
    described: dict[str, Any]
    chapters: list[evidence.Chapter] = field(default_factory=list)
    results: list[oscal.Part] = field(default_factory=list)
    # what of the versions stands in the PDF for machines, too
    gates: list[Attached] = field(default_factory=list)
    # places and ids of the entries it carries
    events: set[int] = field(default_factory=set)
    ids: set[str] = field(default_factory=set)


def write(pack: Pack, file: BinaryIO, *, progress: Progress) -> int:
    """Write the pack; how many files it holds."""
    progress(0, "Closing the log")
    checkpoint = checkpoints.current()
    for outcome in anchors.anchor_all(checkpoint=checkpoint):
        if outcome.problem:
            log.warning("A pack goes out with a checkpoint that is not anchored. %s", outcome.sentence)
    making = Making(pack, checkpoint, anchors.witnessed(checkpoint), progress, described(pack, checkpoint))
    try:
        return packing.write_pack(
            file, files(making), pack=making.described, name=settings.LOG_ORIGIN, private_key=keys.signing_key()
        )
    except (pdf_signing.NotSigned, NotStamped) as why:
        raise jobs.Failed(f"The evidence document could not be signed. {why}") from why


def described(pack: Pack, checkpoint: Checkpoint) -> dict[str, Any]:
    """What the manifest says of the pack."""
    return {
        "id": str(pack.pk),
        "origin": checkpoint.note.partition("\n")[0],
        "created_at": checkpoint.signed_at.isoformat(),
        "as_of": pack.as_of.isoformat() if pack.as_of else None,
        "requested_by": pack.requested_by.name,
        "size": checkpoint.size,
        "versions": [],
    }


def files(making: Making) -> Files:
    """Every file but the seal."""
    held = list(queries.anchors())
    yield "README.txt", readme(making.pack, making.checkpoint, held)
    yield from versions(making)
    making.progress(VERSIONS_DONE, "Adding the entries of the log")
    making.events |= queries.erasures(making.ids, before=making.checkpoint.size)
    yield from events(making)
    yield "checkpoint.txt", making.note.encode()
    if stamp := queries.time_stamp(making.checkpoint):
        yield "checkpoint.tst", bytes(stamp.token)
    yield "anchors.json", canonical([anchored(each) for each in held])
    making.progress(EVENTS_DONE, "Writing the evidence document")
    results = oscal.assessment_results(making.described, making.results)
    yield "oscal.json", results
    yield "evidence.pdf", document(making, held, results)
    making.progress(0.95, "Sealing the pack")


def document(making: Making, held: list[Anchor], results: bytes) -> bytes:
    """The signed PDF, with the machine's words in it unless they would make it too large to open."""
    attached = [Attached("oscal.json", JSON, results, "OSCAL assessment results of this pack"), *making.gates]
    made = evidence.as_pdf(
        making.pack,
        making.checkpoint,
        making.chapters,
        described=making.described,
        anchors=held,
        attachments=attached if sum(len(each.content) for each in attached) <= MOST_ATTACHED else [],
    )
    return pdf_signing.signed(made, reason=f"Evidence pack {making.pack.pk}")


def readme(pack: Pack, checkpoint: Checkpoint, held: list[Anchor]) -> bytes:
    count = pack.covered.count()
    text = README.format(
        title=pack.title,
        what="one version of a model" if count == 1 else f"{count} versions of models",
        as_of=f"\nIt shows what was so on {pack.as_of:%-d %B %Y, %H:%M:%S} UTC." if pack.as_of else "",
        file="PACK.zip",
        origin=checkpoint.note.partition("\n")[0],
        key=keys.verifier_key(),
        size=checkpoint.size,
        moment=f"{checkpoint.signed_at:%-d %B %Y, %H:%M:%S}",
        certificate=pdf_signing.fingerprint(),
        anchored=evidence.anchored(held),
    )
    return text.encode()


def versions(making: Making) -> Files:
    ids = list(queries.versions_in(making.pack).values_list("pk", flat=True))
    step = ceil(len(ids) / STAGES)
    for place, pk in enumerate(ids):
        first = place - place % step + 1
        many = f"Gathering versions {first} to {min(first + step - 1, len(ids))} of {len(ids)}"
        making.progress(VERSIONS_DONE * place / len(ids), many if len(ids) > 1 else "Gathering the records")
        with past.as_of(making.pack.as_of):
            made = take(making, gathering.gather(queries.version_to_pack(pk), making.checkpoint), place, len(ids))
        yield from made


def take(making: Making, found: Evidence, place: int, of: int) -> list[tuple[str, Source]]:
    """A version's files; what later files say of it is kept, the rest is let go."""
    made = list(of_version(found))
    making.described["versions"].append(found.described)
    making.chapters.append(evidence.chapter(found, place=place, of=of))
    making.results.append(oscal.part(found))
    if of <= evidence.MOST_CHAPTERS:
        making.gates.append(gate_attached(found))
    making.events.update(entry.index for entry in found.entries)
    making.ids.update(entry.content["id"] for entry in found.entries)
    refuse_lost(found)
    return made


def refuse_lost(found: Evidence) -> None:
    """A past state is packed whole or not at all."""
    if (look := moments.current.get()) and look.lost:
        raise jobs.Failed(f"What was kept of {found.version} is not what it was at that moment: {min(look.lost)}.")


def gate_attached(found: Evidence) -> Attached:
    name = f"{found.path.rpartition('/')[2]}-gate.json"
    return Attached(name, JSON, canonical_result(found.gate), f"What the gate asked of {found.card.title} and answered")


def of_version(found: Evidence) -> Files:
    folder = found.path
    yield f"{folder}/card.json", cards.as_json(found.card)
    yield f"{folder}/card.md", cards.as_markdown(found.card).encode()
    yield f"{folder}/card.html", cards.as_html(found.card).encode()
    yield f"{folder}/gate.json", canonical_result(found.gate)
    yield f"{folder}/policy.yaml", found.policy_text.encode()
    if found.attestation:
        yield f"{folder}/attestation.dsse.json", found.attestation.encode()
    for run in found.runs:
        yield f"{folder}/runs/{run.pk}.json", bytes(run.record)
    for each in found.signatures:
        yield f"{folder}/signatures/{each.pk}.json", signature(each)


def signature(each: Signature) -> bytes:
    """A signature, the exact bytes that were shown to the signer, and what proved who they are."""
    stated = {
        "id": str(each.pk),
        "signer": str(each.signer_id),
        "signer_name": each.signer_name,
        "role": each.role,
        "meaning": each.meaning,
        "method": each.method,
        "comment": each.comment,
        "at": each.signed_at.isoformat(),
        "shown_at": each.shown_at.isoformat() if each.shown_at else None,
        "about": {"type": each.about_type, "id": str(each.about_id)},
        "digest": each.digest,
        "dossier_digest": each.dossier_digest,
    }
    made: dict[str, Any] = {"signature": stated, "statement": text(bytes(each.statement))}
    if each.method == Method.PASSKEY:
        made["passkey"] = each.evidence
    return canonical(made)


def events(making: Making) -> Files:
    """Each entry, what it still says in clear, and its proof."""
    indexes, size, done = iter(sorted(making.events)), making.checkpoint.size, 0
    while batch := list(islice(indexes, BATCH)):
        share = done / len(making.events)
        making.progress(VERSIONS_DONE + (EVENTS_DONE - VERSIONS_DONE) * share, "Adding the entries of the log")
        clear = {leaf.index: disclosed(leaf) for leaf in queries.leaves_at(batch)}
        for proven in checkpoints.inclusions(batch, size=size):
            path = f"events/{proven.index:012d}"
            yield f"{path}.json", proven.body
            yield f"{path}.disclosed.json", clear[proven.index]
            proof = proofs.write(proven.index, proven.proof, making.note)
            yield f"{path}.tlog-proof", proof.encode()
        done += len(batch)


def disclosed(leaf: Leaf) -> bytes:
    """What is erased whole has no payload any more."""
    return bytes(leaf.entry.payload.disclosed) if hasattr(leaf.entry, "payload") else b"[]"


def anchored(each: Anchor) -> dict[str, Any]:
    root, at = text(bytes(each.root)), each.at.isoformat()
    return {"kind": each.kind, "target": each.target, "size": each.size, "root": root, "at": at}


def text(data: bytes) -> str:
    return b64encode(data).decode()
