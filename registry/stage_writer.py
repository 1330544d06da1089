"""The only assignment of a stage. Only governance.promotion may import this module (import-linter holds it)."""

from registry.models import Version
from registry.stages import MOVES, IllegalMove, Stage, Verb
from trail.record import Draft


def move(entry: Draft, version: Version, verb: Verb) -> None:
    sources, target = MOVES[verb]
    if (stage := Stage(version.stage)) not in sources:
        raise IllegalMove(verb, stage)
    entry.change(version, stage=target)
