from trail.events import Vocabulary


class Event(Vocabulary):
    CARD_DOWNLOADED = "reports.card.downloaded", "{actor} downloaded the model card of {subject} as {facts[format]}"
    PACK_REQUESTED = "reports.pack.requested", "{actor} asked for the {subject}"
    PACK_BUILT = "reports.pack.built", "The {subject}, asked for by {actor}, was built"
    PACK_FAILED = "reports.pack.failed", "The {subject}, asked for by {actor}, could not be built: {facts[error]}"
    PACK_DOWNLOADED = "reports.pack.downloaded", "{actor} downloaded the {subject}"
    ENGAGEMENT_OPENED = "reports.engagement.opened", "{actor} opened {subject} for {facts[auditor]}", True
    ENGAGEMENT_CLOSED = "reports.engagement.closed", "{actor} closed {subject}", True
    SAMPLE_DRAWN = "reports.sample.drawn", "{actor} drew {facts[size]} of {facts[population]} models for {subject}"
    EVIDENCE_REQUESTED = "reports.evidence.requested", "{actor} asked for evidence in {subject}"
    EVIDENCE_ANSWERED = "reports.evidence.answered", "{actor} answered a request in {subject}"
