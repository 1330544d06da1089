"""An evidence pack as one document that a person reads: what was decided, by whom, on what, and how to check it.

Of one version everything is told. Of several, each has a chapter; of many, a line, and its own files say the rest.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from audits import checks
from audits.models import Run
from governance.models import Promotion
from reports import documents, drawings, pdf_signing, queries
from reports.cards import decided, measured
from reports.cards.described import moment
from reports.cards.measured import Measurement
from reports.cards.shape import Cell, Item, Table
from reports.documents import Attached
from reports.gathering import Evidence
from reports.models import Pack
from trail import keys, notes
from trail.canonical import canonical
from trail.models import Anchor, Checkpoint

MOST_ENTRIES = 300
MOST_RUNS = 40
MOST_CHAPTERS = 60
TONES = {"met": "good", "unmet": "bad", "waiting": "wait", "stale": "warn"}
STATUS = Promotion.Status
VERIFY = ("verify", "How to check this without trusting us")
ONE = [
    ("decision", "What was decided, and by whom"),
    ("signatures", "Signatures"),
    ("requirements", "What the policy asks"),
    ("results", "What was measured"),
    ("trail", "What the log recorded"),
    VERIFY,
]


@dataclass(frozen=True)
class Told:
    """What the document says of a version, in words, tables and drawings."""

    verdict: str
    tone: str
    promotions: Table
    tier: list[str]
    signatures: list[dict[str, Any]]
    asked: list[dict[str, Any]]
    counted: str
    evaluations: Table
    runs: Table
    results: list[dict[str, Any]]
    trail: list[dict[str, Any]]
    trail_note: str


@dataclass(frozen=True)
class Chapter:
    """A version in the document: its line in the table, and its text, unless the versions are too many for texts."""

    key: str
    title: str
    line: tuple[Cell, ...]
    verdict: str
    tone: str
    html: SafeString = field(default_factory=SafeString)
    # what the cover of a document of one version states
    facts: dict[str, Any] = field(default_factory=dict)


def chapter(found: Evidence, *, place: int, of: int) -> Chapter:
    alone = of == 1
    sentence, tone = verdict(found)
    html, facts = SafeString(), {}
    if of <= MOST_CHAPTERS:
        said = told(found, whole=alone)
        context = {"found": found, "told": said, "alone": alone, "level": 2 if alone else 3}
        html = render_to_string("reports/evidence_version.html", context)
        facts = {"card": found.card, "counted": said.counted, "signatures": said.signatures} if alone else {}
    title = found.card.title
    short = sentence.removeprefix(f"{title} ")
    line = (
        title,
        str(found.card.tier or "–"),
        found.card.stage,
        short[:1].upper() + short[1:],
        len([each for each in found.signatures if str(each.pk) not in found.doubts]),
        len(found.runs),
    )
    return Chapter(f"version-{place + 1}", title, line, sentence, tone, html, facts)


def as_pdf(
    pack: Pack,
    checkpoint: Checkpoint,
    chapters: Sequence[Chapter],
    *,
    described: dict[str, Any],
    anchors: Sequence[Anchor] = (),
    attachments: Sequence[Attached] = (),
) -> bytes:
    alone = len(chapters) == 1
    context = {
        "pack": pack,
        "checkpoint": checkpoint,
        "checkpoint_text": notes.text_of(checkpoint.note),
        "origin": described["origin"],
        "chapters": chapters,
        "first": chapters[0],
        "alone": alone,
        "with_chapters": len(chapters) <= MOST_CHAPTERS,
        "title": chapters[0].title if alone else pack.title,
        "verdict": chapters[0].verdict if alone else together(chapters),
        "tone": chapters[0].tone if alone else "",
        "contents": ONE if alone else contents(chapters),
        "versions": None if alone else at_a_glance(chapters),
        "anchored": anchored(anchors),
        "footer": f"{described['origin']} at {checkpoint.size} entries, pack {str(pack.pk)[:8]}",
        "key": keys.verifier_key(),
        "certificate": pdf_signing.certificate_shown(),
        "attachments": attachments,
        **documents.style(),
    }
    identity = canonical(described) + checkpoint.note.encode()
    return documents.pdf(render_to_string("reports/evidence.html", context), identity=identity, attachments=attachments)


def contents(chapters: Sequence[Chapter]) -> list[tuple[str, str]]:
    listed = [(each.key, each.title) for each in chapters] if len(chapters) <= MOST_CHAPTERS else []
    return [("versions", "The versions at a glance"), *listed, VERIFY]


def at_a_glance(chapters: Sequence[Chapter]) -> Table:
    columns = ("Version", "Tier", "Stage", "What was decided", "Signatures", "Runs")
    return Table(columns=columns, rows=[each.line for each in chapters])


def together(chapters: Sequence[Chapter]) -> str:
    """The one sentence of the cover of several versions."""
    tones = Counter(each.tone for each in chapters)
    said = [
        f"{tones[tone]} {words}"
        for tone, words in (("good", "released"), ("wait", "waiting or never asked for"), ("bad", "not released"))
        if tones[tone]
    ]
    return f"{len(chapters)} versions: {', '.join(said)}."


def anchored(anchors: Sequence[Anchor]) -> str:
    """Up to where somebody outside could tell that the log was rewritten."""
    if not anchors:
        return "No checkpoint of this log is anchored outside, so nobody but its readers could tell of a rewriting."
    last = max(anchors, key=lambda each: (each.size, each.at))
    where = f"{last.get_kind_display().lower()} {last.target}"
    return f"The newest checkpoint held outside is of {last.size} entries, with the {where} since {moment(last.at)}."


def told(found: Evidence, *, whole: bool) -> Told:
    """`whole`: every result and every entry, for a document of one version."""
    sentence, tone = verdict(found)
    entries = found.entries[-MOST_ENTRIES:] if whole else []
    return Told(
        verdict=sentence,
        tone=tone,
        promotions=decided.promotion_table(list(queries.promotions(found.version))),
        tier=tier_steps(found) if whole else [],
        signatures=[signature(found, each) for each in found.signatures],
        asked=asked(found),
        counted=counted(found.gate["requirements"]),
        evaluations=evaluations(found),
        runs=runs(found.runs[-MOST_RUNS:]),
        results=[summary(run) for run in newest(found.runs)] if whole else [],
        trail=[line(entry.content, entry.index, entry.sentence) for entry in entries],
        trail_note=trail_note(found, shown=len(entries)),
    )


def asked(found: Evidence) -> list[dict[str, Any]]:
    """What an open promotion lacks, then what the gate answered."""
    groups = []
    if waiting := found.gate["open"]:
        groups.append(group(waiting, f"For {waiting['promotion']['target']}, which is asked for"))
    if found.gate["decision"]:
        answered = f"{found.gate['decision']} on {printed_moment(found.gate['evaluated_at'])}"
        target = found.gate["promotion"]["target"] if found.gate["promotion"] else ""
        groups.append(group(found.gate, f"For {target}: {answered}"))
    return groups


def group(judged: dict[str, Any], title: str) -> dict[str, Any]:
    shown = [each | {"tone": TONES.get(each["verdict"], "")} for each in judged["requirements"]]
    return {"title": title, "requirements": shown, "policy": judged["policy"]}


def verdict(found: Evidence) -> tuple[str, str]:
    """The one sentence of the cover."""
    promotion, version = found.promotion, found.card.title
    if promotion is None:
        return f"No promotion of {version} has been asked for: nothing here allows its use.", "wait"
    target = promotion.target
    if promotion.status == STATUS.OPEN:
        asked = found.gate["open"]["requirements"]
        lacking = sum(each["verdict"] != "met" for each in asked)
        if found.gate["open"]["objections"]:
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
        "method": each.get_method_display(),
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
        case _:
            yield from measured.sections(found)


def line(content: dict[str, Any], index: int, sentence: str) -> dict[str, Any]:
    at = datetime.fromisoformat(content["at"])
    return {"index": index, "at": f"{at:%-d %b %Y, %H:%M:%S}", "sentence": f"{sentence}.", "reason": content["reason"]}


def trail_note(found: Evidence, *, shown: int) -> str:
    total = len(found.entries)
    which = "They are" if shown == total else f"The newest {shown} of them are"
    listed = f"{which} listed here in words; all" if shown else "They"
    return (
        f"{total} entries of the log are about this version and what stands behind it. {listed} are in the files "
        "events/ of this pack, byte for byte, each with its proof."
    )
