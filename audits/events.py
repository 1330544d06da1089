from trail.events import Vocabulary


class Event(Vocabulary):
    RUN_REQUESTED = "audits.run.requested", "{actor} asked for the check {subject}"
    RUN_SUCCEEDED = "audits.run.succeeded", "The check {subject}, asked for by {actor}, gave its result"
    RUN_FAILED = "audits.run.failed", "The check {subject}, asked for by {actor}, failed: {facts[error]}"
    RUN_CANCELLED = "audits.run.cancelled", "{actor} cancelled the check {subject}"
    RUN_RETRIED = "audits.run.retried", "{actor} asked for the check {subject} again"
