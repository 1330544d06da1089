from trail.events import Vocabulary


class Event(Vocabulary):
    TIER_ASSESSED = "governance.tier.assessed", "{actor} tiered {subject}: tier {facts[tier]}"
    TIER_OVERRIDDEN = "governance.tier.overridden", "{actor} overrode the tier of {subject}: tier {facts[tier]}", True
    POLICY_PUBLISHED = "governance.policy.published", "{actor} published the policy {subject}", True
    PROMOTION_REQUESTED = "governance.promotion.requested", "{actor} asked to promote {subject}"
    GATE_EVALUATED = "governance.gate.evaluated", "{actor} asked the gate about {subject}: {facts[decision]}"
    SIGNED = "governance.signature.signed", "{actor} signed {subject} as {facts[role]}: {facts[meaning]}", True
    PROMOTION_RELEASED = "governance.promotion.released", "{actor} released {subject}", True
    PROMOTION_REJECTED = "governance.promotion.rejected", "{actor} rejected {subject}", True
    PROMOTION_WITHDRAWN = "governance.promotion.withdrawn", "{actor} withdrew {subject}", True
    VERSION_RETIRED = "governance.version.retired", "{actor} retired {subject}", True
