"""Which texts are no reason to give a person. Plain Python, so that a dictionary is refused when it is handed in."""

from collections.abc import Mapping
from typing import Any

# 12 CFR 1002.9(b)(2): a statement of reasons is specific; these sentences are insufficient.
INSUFFICIENT = ("internal standard", "internal polic", "qualifying score")
UNSPECIFIC = {"other", "others", "other reason", "other reasons", "miscellaneous", "model", "model decision", "score"}


def entries(given: Any) -> list[Mapping[str, Any]]:
    """A feature's entries: one, or a list of which the first that fits the value counts."""
    if given is None:
        return []
    return [given] if isinstance(given, Mapping) else list(given)


def unspecific(codes: Mapping[str, Any]) -> str | None:
    """The sentence that refuses the first entry whose text is no specific reason."""
    for feature, given in codes.items():
        for entry in entries(given):
            text = " ".join(entry["text"].lower().split()).strip(" .")
            if not text or text in UNSPECIFIC or any(words in text for words in INSUFFICIENT):
                return (
                    f"The reason code {entry['code']} of “{feature}” says “{entry['text']}”, which is no specific "
                    "reason: say what about the applicant counted against the application."
                )
    return None
