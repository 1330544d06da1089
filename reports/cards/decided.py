"""What was decided about a version: its tier and how it came about, its stage, promotions and signatures."""

from __future__ import annotations

from governance.models import Promotion, TierAssessment
from people.models import Signature
from registry.models import Version
from registry.stages import Stage
from reports.cards.described import day, known, moment
from reports.cards.shape import Cell, Item, Table


def decisions(version: Version) -> list[Item]:
    promotions = list(
        Promotion.objects.filter(version=version)
        .select_related("target", "requested_by", "closed_by")
        .order_by("requested_at")
    )
    return [
        *tier(version),
        Item(label="Stage", value=Stage(version.stage).label, source="version record"),
        *known(
            Item(label="Promotions", value=promotion_table(promotions), source="governance"),
            Item(label="Signatures", value=signature_table(signatures(promotions)), source="governance"),
        ),
    ]


def tier(version: Version) -> list[Item]:
    mend = "Answer the tiering questionnaire of the model."
    assessment = (
        TierAssessment.objects.filter(model=version.model).select_related("assessed_by").order_by("assessed_at").last()
    )
    if assessment is None:
        return [Item(label="Risk tier", mend=mend)]
    source = f"assessed by {assessment.assessed_by.name} on {day(assessment.assessed_at)}"
    steps = [str(step["sentence"]) for step in assessment.steps]
    return [
        Item(label="Risk tier", value=f"Tier {assessment.tier}", source=source, mend=mend),
        *known(Item(label="How the tier came about", value=steps, source=source)),
    ]


def signatures(promotions: list[Promotion]) -> list[Signature]:
    ids = [promotion.pk for promotion in promotions]
    return list(Signature.objects.filter(about_id__in=ids).select_related("signer").order_by("signed_at"))


def promotion_table(promotions: list[Promotion]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            str(promotion.target),
            promotion.get_status_display(),
            f"{promotion.requested_by.name}, {moment(promotion.requested_at)}",
            f"{promotion.closed_by.name}, {moment(promotion.closed_at)}"
            if promotion.closed_by and promotion.closed_at
            else "–",
        )
        for promotion in promotions
    ]
    return Table(columns=("Target", "Status", "Requested", "Closed"), rows=rows)


def signature_table(found: list[Signature]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            signature.signer_name,
            signature.get_role_display(),
            signature.get_meaning_display(),
            moment(signature.signed_at),
            signature.digest,
        )
        for signature in found
    ]
    return Table(columns=("Printed name", "Role", "Meaning", "Signed", "Digest of the statement"), rows=rows)
