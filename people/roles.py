"""Roles in three lines of defence, and what each may do. Granted in a unit, a role holds there and below."""

from django.db import models


class Role(models.TextChoices):
    OWNER = "owner", "Model owner"
    DEVELOPER = "developer", "Developer"
    VALIDATOR = "validator", "Validator"
    HEAD_OF_MODEL_RISK = "head_of_model_risk", "Head of model risk"
    COMPLIANCE_OFFICER = "compliance_officer", "Compliance officer"
    ACCOUNTABLE_EXECUTIVE = "accountable_executive", "Accountable executive"
    AUDITOR = "auditor", "Auditor"
    ADMINISTRATOR = "administrator", "Administrator"


FIRST_LINE = frozenset({Role.OWNER, Role.DEVELOPER})
SECOND_LINE = frozenset({Role.VALIDATOR, Role.HEAD_OF_MODEL_RISK, Role.COMPLIANCE_OFFICER})
THIRD_LINE = frozenset({Role.AUDITOR})

LINE = {
    **dict.fromkeys(FIRST_LINE, "1st line"),
    **dict.fromkeys(SECOND_LINE, "2nd line"),
    **dict.fromkeys(THIRD_LINE, "3rd line"),
    Role.ACCOUNTABLE_EXECUTIVE: "Executive",
    Role.ADMINISTRATOR: "Administration",
}


class Duty(models.TextChoices):
    """What a function asks leave for."""

    REGISTER = "register", "register and describe models, versions and datasets"
    MEASURE = "measure", "run checks"
    TIER = "tier", "answer the tiering questionnaire"
    OVERRIDE_TIER = "override_tier", "override a tier"
    REQUEST = "request", "request a promotion"
    SIGN = "sign", "sign"
    RELEASE = "release", "release"
    PUBLISH_POLICY = "publish_policy", "publish a policy"
    EXPORT = "export", "export evidence"
    ADMINISTER = "administer", "administer people and units"
    ERASE = "erase", "approve that a person’s data is erased"


MAY = {
    Role.OWNER: {Duty.REGISTER, Duty.MEASURE, Duty.TIER, Duty.REQUEST, Duty.SIGN, Duty.RELEASE, Duty.EXPORT},
    Role.DEVELOPER: {Duty.REGISTER, Duty.MEASURE, Duty.TIER, Duty.REQUEST, Duty.EXPORT},
    Role.VALIDATOR: {Duty.MEASURE, Duty.SIGN, Duty.EXPORT},
    Role.HEAD_OF_MODEL_RISK: {
        Duty.MEASURE, Duty.TIER, Duty.OVERRIDE_TIER, Duty.SIGN, Duty.RELEASE, Duty.PUBLISH_POLICY, Duty.EXPORT,
    },
    Role.COMPLIANCE_OFFICER: {Duty.MEASURE, Duty.SIGN, Duty.EXPORT, Duty.ERASE},
    Role.ACCOUNTABLE_EXECUTIVE: {Duty.SIGN, Duty.RELEASE, Duty.EXPORT},
    Role.AUDITOR: {Duty.EXPORT},
    Role.ADMINISTRATOR: {Duty.ADMINISTER},
}  # fmt: skip
