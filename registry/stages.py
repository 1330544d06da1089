"""The stages of a version, as data: each verb says from where it may move a version, and to where."""

from django.db import models


class Stage(models.TextChoices):
    DEVELOPMENT = "development", "Development"
    STAGING = "staging", "Staging"
    PRODUCTION = "production", "Production"
    SUPERSEDED = "superseded", "Superseded"
    RETIRED = "retired", "Retired"


class Verb(models.TextChoices):
    STAGE = "stage", "Release into staging"
    RELEASE = "release", "Release into production"
    SUPERSEDE = "supersede", "Replace by another version"
    RETIRE = "retire", "Retire"


MOVES: dict[Verb, tuple[frozenset[Stage], Stage]] = {
    Verb.STAGE: (frozenset({Stage.DEVELOPMENT}), Stage.STAGING),
    Verb.RELEASE: (frozenset({Stage.DEVELOPMENT, Stage.STAGING, Stage.SUPERSEDED}), Stage.PRODUCTION),
    Verb.SUPERSEDE: (frozenset({Stage.STAGING, Stage.PRODUCTION}), Stage.SUPERSEDED),
    Verb.RETIRE: (
        frozenset({Stage.DEVELOPMENT, Stage.STAGING, Stage.PRODUCTION, Stage.SUPERSEDED}),
        Stage.RETIRED,
    ),
}

# The verb that a promotion into each target performs.
INTO: dict[str, Verb] = {"staging": Verb.STAGE, "production": Verb.RELEASE}


class IllegalMove(Exception):
    """The verb does not start from the stage the version is in."""

    def __init__(self, verb: Verb, stage: Stage) -> None:
        sources = " or ".join(sorted(source.label for source in MOVES[verb][0]))
        super().__init__(f"{verb.label} starts from {sources}; this version is in {stage.label}.")
        self.verb, self.stage = verb, stage
