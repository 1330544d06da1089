from __future__ import annotations

import pytest

from people.models import User
from people.roles import Role
from tests.governance.story import Story, begin
from tests.personas import Bank


@pytest.fixture
def story(
    bank: Bank,
    owner: User,
    developer: User,
    validator: User,
    risk_officer: User,
    compliance_officer: User,
    executive: User,
    scorecard_file: bytes,
) -> Story:
    """A tier 2 model with a version that has nothing yet: no runs, no promotion."""
    people = {
        Role.OWNER: owner,
        Role.DEVELOPER: developer,
        Role.VALIDATOR: validator,
        Role.HEAD_OF_MODEL_RISK: risk_officer,
        Role.COMPLIANCE_OFFICER: compliance_officer,
        Role.ACCOUNTABLE_EXECUTIVE: executive,
    }
    return begin(bank, people, developer, scorecard_file)
