"""The people of the demo: one for each role, in three lines of defence."""

from __future__ import annotations

from dataclasses import dataclass

from people.models import User
from people.roles import Role

PASSWORD = "countersign-demo-2026"
DOMAIN = "demo.example"


@dataclass(frozen=True)
class Person:
    login: str
    name: str
    role: Role
    home: str  # the unit they sit in
    at: str  # the unit they hold the role in

    @property
    def email(self) -> str:
        return f"{self.login}@{DOMAIN}"

    @property
    def title(self) -> str:
        return f"{self.name}, {self.role.label}"


PEOPLE = [
    Person("owner", "Olivia Martin", Role.OWNER, "meridian/retail-credit", "meridian/retail-credit"),
    Person("developer", "Daniel Okafor", Role.DEVELOPER, "meridian/retail-credit", "meridian/retail-credit"),
    Person("validator", "Vera Lindqvist", Role.VALIDATOR, "meridian/model-risk", "meridian"),
    Person("risk", "Rafael Costa", Role.HEAD_OF_MODEL_RISK, "meridian/model-risk", "meridian"),
    Person("compliance", "Carmen Yu", Role.COMPLIANCE_OFFICER, "meridian/compliance", "meridian"),
    Person("executive", "Edward Blake", Role.ACCOUNTABLE_EXECUTIVE, "meridian", "meridian"),
    Person("auditor", "Aiko Tanaka", Role.AUDITOR, "meridian/internal-audit", "meridian"),
    Person("admin", "Adam Novak", Role.ADMINISTRATOR, "meridian", "meridian"),
]
UNITS = ["Retail Credit", "Model Risk", "Compliance", "Internal Audit"]


def loaded() -> bool:
    return User.objects.filter(email=PEOPLE[0].email).exists()


def get(login: str) -> User:
    return User.objects.select_related("unit").get(email=f"{login}@{DOMAIN}")
