"""The vocabulary: every kind of event is declared by its room, once, with the sentence a person reads."""

from __future__ import annotations

from enum import Enum

SENTENCES: dict[str, str] = {}
# what takes its place in the tree before its transaction commits, so that nobody sees it without a receipt
INLINE: set[str] = set()


class Vocabulary(str, Enum):
    """A room's events. Each member is `"room.subject.happened", "human sentence"`, and True if it is integrated inline.

    The sentence may use {actor}, {subject}, {reason} and {facts[name]}. Inline are decisions, signatures, and changes
    of who may decide.
    """

    def __new__(cls, value: str, sentence: str, inline: bool = False) -> Vocabulary:
        if value in SENTENCES and SENTENCES[value] != sentence:
            raise ValueError(f"The event {value} is declared twice, with different sentences.")
        SENTENCES[value] = sentence
        if inline:
            INLINE.add(value)
        member = str.__new__(cls, value)
        member._value_ = value
        return member


class Event(Vocabulary):
    ATTEMPT_REFUSED = "trail.attempt.refused", "{actor} tried “{facts[attempted]}” on {subject} and was refused"
    KEY_ROTATED = "trail.key.rotated", "{actor} gave the log a new signing key", True
    FORKED = (
        "trail.log.forked",
        "{actor} let the log go on from {facts[size]} entries, after {facts[lost]} were lost",
        True,
    )
    ERASED = "trail.payload.erased", "{actor} erased what {facts[count]} entries said of {subject}", True
    EXPORT_TAKEN = (
        "trail.export.taken",
        "{actor} exported up to {facts[most]} entries of the trail",
    )


class _Stated(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "not stated"


def sentence(event_type: str, *, actor: str, subject: str, reason: str, facts: dict[str, object]) -> str:
    """The human sentence of one entry. A type nobody declares any more is still readable by its name."""
    template = SENTENCES.get(
        event_type, "{actor} did “" + event_type.replace("{", "").replace("}", "") + "” to {subject}"
    )
    stated = _Stated({name: str(value) for name, value in facts.items()})
    return template.format(actor=actor, subject=subject, reason=reason, facts=stated)
