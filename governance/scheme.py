"""From answers to a tier, by a scheme that is data. Pure: nothing is read or written here but the scheme's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from trail.canonical import digest
from trail.errors import BadInput

FOLDER = Path(__file__).parent / "schemes"
LOWEST, HIGHEST = 1, 4
YES_NO = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}

Answer = int | bool


@dataclass(frozen=True)
class Question:
    """A question of an axis (answered 1 to 4) or, without an axis, a floor (answered yes or no)."""

    id: str
    text: str
    help: str
    axis: str = ""
    choices: Mapping[int, str] = field(default_factory=dict)
    floor: int = 0

    def read(self, given: Any) -> Answer:
        """The answer as given by JSON or a form."""
        if self.floor:
            answer = given if isinstance(given, bool) else YES_NO.get(str(given).strip().lower())
            if answer is None:
                raise BadInput(f"“{self.text}” takes yes or no (true or false), not {given!r}.", where=self.id)
            return answer
        text = "" if isinstance(given, bool) else str(given).strip()
        if text not in {str(choice) for choice in self.choices}:
            raise BadInput(f"“{self.text}” takes a whole number from 1 to 4, not {given!r}.", where=self.id)
        return int(text)

    def neighbour(self, answer: Answer, step: int) -> Answer | None:
        """The answer one lower or one higher, if there is one."""
        if self.floor:
            return None if answer is (step > 0) else step > 0
        return answer + step if answer + step in self.choices else None

    def wording(self, answer: Answer) -> str:
        return ("yes" if answer else "no") if self.floor else f"{answer} of {HIGHEST}: {self.choices[answer].lower()}"


@dataclass(frozen=True)
class Scheme:
    name: str
    version: str
    digest: str
    content: Mapping[str, Any]
    questions: tuple[Question, ...]

    def axis(self, name: str) -> tuple[Question, ...]:
        return tuple(question for question in self.questions if question.axis == name)

    @property
    def floors(self) -> tuple[Question, ...]:
        return tuple(question for question in self.questions if question.floor)

    def level(self, axis: Mapping[str, Any], answers: Mapping[str, Answer]) -> int:
        """An axis's level; what is not answered yet counts as lowest."""
        given = [int(answers.get(question.id, LOWEST)) for question in self.axis(axis["id"])]
        return max(given) if axis["rule"] == "max" else -(-sum(given) // len(given))

    def matrix_tier(self, answers: Mapping[str, Answer]) -> int:
        rows = self.content["matrix"]
        for axis in self.content["axes"]:
            rows = rows[self.level(axis, answers)]
        return int(rows)

    def floor(self, answers: Mapping[str, Answer]) -> int | None:
        """The least strict tier that the floors leave open."""
        return min((question.floor for question in self.floors if answers.get(question.id)), default=None)

    def tier(self, answers: Mapping[str, Answer]) -> int:
        return min(self.matrix_tier(answers), self.floor(answers) or HIGHEST)


@dataclass(frozen=True)
class Step:
    """What one answer did: the tier after it, and the tier of the whole had it been one lower or higher."""

    step: str
    sentence: str
    tier: int
    lower: int | None = None
    higher: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What the answers come to. `tier` is `computed` until someone overrides it."""

    tier: int
    computed: int
    floor: int | None
    levels: dict[str, int]
    answers: dict[str, Answer]
    steps: list[Step]


@cache
def scheme(name: str = "default") -> Scheme:
    data = (FOLDER / f"{name}.yaml").read_bytes()
    content = yaml.safe_load(data)
    scored = [Question(**question) for question in content["questions"]]
    floors = [Question(floor=floor.pop("tier"), **floor) for floor in map(dict, content["floors"])]
    return Scheme(content["name"], content["version"], digest(data), content, (*scored, *floors))


def read(answers: Mapping[str, Any], by: Scheme) -> dict[str, Answer]:
    """Every question answered, nothing else answered."""
    if not isinstance(answers, Mapping):
        raise BadInput("The answers must be a mapping from question to answer.", where="answers")
    known = {question.id: question for question in by.questions}
    if unknown := [name for name in answers if name not in known]:
        raise BadInput(f"“{unknown[0]}” is no question of the scheme {by.name} {by.version}.", where=str(unknown[0]))
    for question in by.questions:
        if answers.get(question.id) in (None, ""):
            raise BadInput(f"“{question.text}” ({question.id}) is not answered.", where=question.id)
    return {question.id: question.read(answers[question.id]) for question in by.questions}


def preview(answers: Mapping[str, Any], by: Scheme | None = None) -> Outcome:
    """The tier that the answers give, and what each of them did to it."""
    by = by or scheme()
    given = read(answers, by)
    levels = {axis["id"]: by.level(axis, given) for axis in by.content["axes"]}
    tier = by.tier(given)
    return Outcome(tier, tier, by.floor(given), levels, given, _steps(by, given))


def _steps(by: Scheme, given: dict[str, Answer]) -> list[Step]:
    scored = [question for question in by.questions if not question.floor]
    steps: list[Step] = []
    so_far: dict[str, Answer] = {}
    for question in (*scored, *by.floors):
        if question.floor and len(steps) == len(scored):
            steps.append(_matrix_step(by, given))
        before = by.tier(so_far)
        so_far[question.id] = given[question.id]
        steps.append(_step(by, question, given, before, by.tier(so_far)))
    return steps


def _step(by: Scheme, question: Question, given: dict[str, Answer], before: int, after: int) -> Step:
    answer = given[question.id]
    effect = f"moves the tier from {before} to {after}" if after != before else f"leaves the tier at {after}"
    if question.floor and answer:
        effect = f"asks for at least tier {question.floor}; that {effect}"
    sentence = f"{question.text} {question.wording(answer).capitalize()} – {effect}."
    return Step(question.id, sentence, after, *(_had_it_been(by, question, given, step) for step in (-1, 1)))


def _had_it_been(by: Scheme, question: Question, given: dict[str, Answer], step: int) -> int | None:
    neighbour = question.neighbour(given[question.id], step)
    return None if neighbour is None else by.tier(given | {question.id: neighbour})


def _matrix_step(by: Scheme, given: dict[str, Answer]) -> Step:
    said = []
    for axis in by.content["axes"]:
        answers = [str(given[question.id]) for question in by.axis(axis["id"])]
        said.append(f"{axis['text'].lower()} {by.level(axis, given)} ({axis['rule_text']} {', '.join(answers)})")
    tier = by.matrix_tier(given)
    sentence = f"{' and '.join(said)} give tier {tier}."
    return Step("matrix", sentence[0].upper() + sentence[1:], tier)
