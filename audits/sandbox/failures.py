"""How the child says no, and how its parent passes that on."""

import re

_CODE_PLACES = re.compile(
    r"^\[\d\d:\d\d:\d\d\] \S+: |^\[ONNXRuntimeError\] : \d+ : \w+ : |.*Status Message: (?:.*\] )?"
)
_LONGEST = 300


class Unfit(Exception):
    """The model or the data can't be used; the text is one sentence for the person who asked."""

    def __init__(self, sentence: str, *, kind: str) -> None:
        super().__init__(sentence)
        self.kind = kind


def refused(sentence: str) -> Unfit:
    """The model itself can't be accepted."""
    return Unfit(sentence, kind="refused")


def mismatch(sentence: str) -> Unfit:
    """The model and the data (or the parameters) don't belong together."""
    return Unfit(sentence, kind="mismatch")


def told(error: Exception, *, path: str) -> str:
    """A library's own words, without its source places and our path."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    return _CODE_PLACES.sub("", line).replace(path, "the file")[:_LONGEST].rstrip(" .")


class Cancelled(Exception):
    """The caller asked to stop, and the child is gone."""


class ChildFailed(Exception):
    """The task could not be done; the text is one sentence. `kind`: refused, mismatch, crash or timeout."""

    def __init__(self, sentence: str, *, kind: str, detail: str = "") -> None:
        super().__init__(sentence)
        self.kind, self.detail = kind, detail
