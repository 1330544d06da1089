"""Whether a version is, at this moment, released into a target: what a pipeline asks before it deploys."""

from __future__ import annotations

from governance import attestations
from governance.models import Promotion
from registry.models import Version
from registry.stages import INTO, MOVES, Stage
from trail import moments
from trail.errors import Objection


def release_of(version: Version, target: str) -> Promotion | None:
    """The newest release of the version into the target."""
    found = version.promotions.filter(status=Promotion.Status.RELEASED, target__slug=target)
    return (
        found.select_related("version__model", "version__artifact", "target", "policy").order_by("-closed_at").first()
    )


def objections(version: Version, target: str, release: Promotion | None) -> list[Objection]:
    link = f"/versions/{version.pk}/"
    if target not in INTO:
        return [Objection("no_stage", f"“{target}” is no target; there are {', '.join(INTO)}.")]
    if release is None:
        return [
            Objection("not_released", f"{version} was never released into {target}.", "Ask for its promotion.", link)
        ]
    wanted, stage = MOVES[INTO[target]][1], Stage(version.stage)
    found = []
    if stage != wanted:
        sentence = f"{version} is in {stage.label}, not in {wanted.label}."
        found.append(
            Objection(f"stage_{stage.value}", sentence, "Deploy the version that is live, or promote this one.", link)
        )
    if not version.deployments.filter(environment=release.target, ended_at=None).exists():
        found.append(
            Objection(
                "deployment_ended", f"The deployment of {version} in {target} has ended.", "Promote it again.", link
            )
        )
    if not attestations.holds(release):
        sentence = f"The attestation of {version} in {target} does not verify."
        found.append(Objection("attestation_invalid", sentence, "Tell model risk: the record was altered.", link))
    if release.expires_at and release.expires_at <= moments.now():
        sentence = f"The release of {version} into {target} expired on {release.expires_at:%d %B %Y}."
        found.append(Objection("release_expired", sentence, "Ask for its promotion again.", link))
    return found
