"""An evidence pack as one document that a person reads: what was decided, by whom, on what, and how to check it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string

from audits import checks
from audits.models import Run
from governance.models import Promotion
from reports import cards, documents, drawings, queries
from reports.cards import decided, measured
from reports.cards.described import moment
from reports.cards.measured import Measurement
from reports.cards.shape import Cell, Item, Table
from reports.gathering import Evidence
from trail import keys
from trail.canonical import canonical

MOST_ENTRIES = 300
MOST_RUNS = 40
TONES = {"met": "good", "unmet": "bad", "waiting": "wait", "stale": "warn"}
STATUS = Promotion.Status
CONTENTS = [
    ("decision", "What was decided, and by whom"),
    ("signatures", "Signatures"),
    ("requirements", "What the policy asks"),
    ("results", "What was measured"),
    ("trail", "What the log recorded"),
    ("verify", "How to check this without trusting us"),
]


@dataclass(frozen=True)
class Told:
    """What the document says, in words, tables and drawings."""

    verdict: str
    tone: str
    footer: str
    promotions: Table
    tier: list[str]
    signatures: list[dict[str, Any]]
    requirements: list[dict[str, Any]]
    counted: str
    evaluations: Table
    runs: Table
    results: list[dict[str, Any]]
    trail: list[dict[str, Any]]
    trail_note: str
    key: str

    @property
    def contents(self) -> list[tuple[str, str]]:
        return CONTENTS


def as_pdf(found: Evidence) -> bytes:
    context = {"found": found, "told": told(found), **documents.style()}
    identity = canonical(found.described) + cards.as_json(found.card) + found.checkpoint.note.encode()
    return documents.pdf(render_to_string("reports/evidence.html", context), identity=identity)


def told(found: Evidence) -> Told:
    sentence, tone = verdict(found)
    entries = found.entries[-MOST_ENTRIES:]
    return Told(
        verdict=sentence,
        tone=tone,
        footer=f"{found.described['origin']} at {found.checkpoint.size} entries, pack {str(found.pack.pk)[:8]}",
        promotions=decided.promotion_table(list(queries.promotions(found.version))),
        tier=tier_steps(found),
        signatures=[signature(found, each) for each in found.signatures],
        requirements=[each | {"tone": TONES.get(each["verdict"], "")} for each in found.gate["requirements"]],
        counted=counted(found.gate["requirements"]),
        evaluations=evaluations(found),
        runs=runs(found.runs[-MOST_RUNS:]),
        results=[summary(run) for run in newest(found.runs)],
        trail=[line(entry.content, entry.index, entry.sentence) for entry in entries],
        trail_note=trail_note(found, shown=len(entries)),
        key=keys.verifier_key(),
    )


def verdict(found: Evidence) -> tuple[str, str]:
    """The one sentence of the cover."""
    promotion, version = found.promotion, found.card.title
    if promotion is None:
        return f"No promotion of {version} has been asked for: nothing here allows its use.", "wait"
    target = promotion.target
    if promotion.status == STATUS.OPEN:
        asked = found.gate["requirements"]
        lacking = sum(each["verdict"] != "met" for each in asked)
        if found.gate["objections"]:
            counted = f"{lacking} of {len(asked)} requirements are not met"
            return f"{version} is not released into {target}: {counted}.", "bad"
        return f"{version} meets all {len(asked)} requirements for {target} and waits to be released.", "wait"
    closed = f"by {promotion.closed_by} on {moment(promotion.closed_at)}" if promotion.closed_at else ""
    said = {
        STATUS.RELEASED: "was released into",
        STATUS.REJECTED: "was rejected for",
        STATUS.WITHDRAWN: "was withdrawn from",
    }
    return f"{version} {said[STATUS(promotion.status)]} {target} {closed}.", (
        "good" if promotion.status == STATUS.RELEASED else "bad"
    )


def counted(requirements: list[dict[str, Any]]) -> str:
    met = sum(each["verdict"] == "met" for each in requirements)
    return f"{met} of {len(requirements)} are met" if requirements else "None were asked"


def tier_steps(found: Evidence) -> list[str]:
    return [bullet for item in decided.tier(found.version) for bullet in item.bullets or []]


def signature(found: Evidence, each: Any) -> dict[str, Any]:
    return {
        "name": each.signer_name,
        "role": each.get_role_display(),
        "meaning": each.get_meaning_display(),
        "comment": each.comment,
        "signed_at": each.signed_at,
        "method": each.method,
        "digest": each.digest,
        "doubt": found.doubts.get(str(each.pk), ""),
    }


def evaluations(found: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (printed_moment(each["evaluated_at"]), each["target"], each["decision"].capitalize(), each["asked_by"])
        for each in found.gate["evaluations"]
    ]
    return Table(columns=("When", "Target", "Decision", "Asked by"), rows=rows)


def printed_moment(iso: str) -> str:
    return moment(datetime.fromisoformat(iso))


def runs(listed: list[Run]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            checks.get(run.check_name).TITLE,
            run.dataset.name,
            run.requested_by.name,
            f"{run.finished_at:%-d %b %Y, %H:%M}" if run.finished_at else "–",
            str(run.pk),
        )
        for run in listed
    ]
    return Table(columns=("Check", "Dataset", "Asked for by", "Finished (UTC)", "Run"), rows=rows)


def newest(listed: list[Run]) -> list[Run]:
    """The newest run of each check on each dataset, in the order of the checks."""
    kept = {(run.check_name, run.dataset_id): run for run in listed}
    return [run for name in checks.ALL for (check, _), run in kept.items() if check == name]


def summary(run: Run) -> dict[str, Any]:
    found = Measurement(run, json.loads(bytes(run.record))["result"])
    return {
        "id": run.pk,
        "title": f"{checks.get(run.check_name).TITLE}: {run.dataset.name}",
        "dataset": run.dataset.name,
        "by": run.requested_by.name,
        "finished_at": run.finished_at,
        "digest": run.result_digest,
        "items": [drawings.drawn(item) for item in items(found) if item.table],
        "limitations": measured.limitations(found),
    }


def items(found: Measurement) -> Iterator[Item]:
    match found.run.check_name:
        case "fairness":
            yield from measured.fairness(found)
        case "performance":
            yield measured.performance(found)
        case "explainability":
            yield measured.explanation(found)


def line(content: dict[str, Any], index: int, sentence: str) -> dict[str, Any]:
    at = datetime.fromisoformat(content["at"])
    return {"index": index, "at": f"{at:%-d %b %Y, %H:%M:%S}", "sentence": f"{sentence}.", "reason": content["reason"]}


def trail_note(found: Evidence, *, shown: int) -> str:
    total = len(found.entries)
    which = "They are" if shown == total else f"The newest {shown} of them are"
    return (
        f"{total} entries of the log are about this version and what stands behind it. {which} listed here in words; "
        "all are in the files events/ of this pack, byte for byte, each with its proof."
    )
