"""The sections of Mitchell et al., "Model Cards for Model Reporting" (2019), filled from what is known."""

from __future__ import annotations

from collections.abc import Callable

from registry.cards import SECTIONS
from registry.models import Version
from reports.cards import decided, described, measured
from reports.cards.described import Writing, field, known
from reports.cards.measured import Measurement
from reports.cards.shape import Item, Section


class Known:
    """What is looked up once for all sections."""

    def __init__(self, version: Version) -> None:
        self.version, self.model, self.written = version, version.model, Writing(version)
        self.performance = measured.latest(version, "performance")
        self.fairness = measured.latest(version, "fairness")
        self.explainability = measured.latest(version, "explainability")

    @property
    def measurements(self) -> list[Measurement]:
        return [found for found in (self.performance, self.fairness, self.explainability) if found is not None]


def sections(of: Known) -> list[Section]:
    """The sections of the registry, each led by what a person wrote in it, and after them what was decided."""
    found = [
        Section(key=section.key, title=section.title, items=[of.written.item(section.key), *FILLED[section.key](of)])
        for section in SECTIONS
    ]
    return [*found, Section(key="governance", title="Governance", items=decided.decisions(of.version))]


def model_details(of: Known) -> list[Item]:
    return described.details(of.version)


def intended_use(of: Known) -> list[Item]:
    return [
        field(of.model, "purpose"),
        field(of.model, "product"),
        field(of.model, "approved_uses"),
        field(of.model, "operating_boundaries"),
        field(of.model, "outputs"),
        *known(field(of.model, "observed_use", mend=""), field(of.model, "use_reconciled_on", mend="")),
    ]


def factors(of: Known) -> list[Item]:
    return [measured.groups_measured(of.fairness)]


def metrics(of: Known) -> list[Item]:
    return [
        measured.measures_reported(of.performance),
        *(
            Item(
                label=f"How the check {found.run.check_name} measured",
                value=measured.of_rows(found),
                source=found.source,
            )
            for found in of.measurements
        ),
    ]


def evaluation_data(of: Known) -> list[Item]:
    used = {found.run.dataset_id: found.run.dataset for found in of.measurements}
    return [
        Item(
            label="Datasets",
            value=described.datasets(list(used.values())),
            source=", ".join(found.source for found in of.measurements),
            mend="Run a check of this version on a dataset.",
        )
    ]


def training_data(of: Known) -> list[Item]:
    return [
        Item(
            label="Datasets",
            value=described.datasets(described.trained_on(of.version)),
            source="lineage",
            mend="Record the dataset this version was trained on.",
        ),
        field(of.model, "data_sources"),
        field(of.model, "data_limitations"),
        *known(field(of.model, "unstructured_data", mend="")),
    ]


def quantitative_analyses(of: Known) -> list[Item]:
    limits = measured.limitations(*of.measurements)
    return [
        measured.performance(of.performance),
        *measured.fairness(of.fairness),
        measured.explanation(of.explainability),
        *measured.further(of.version),
        *known(Item(label="Limits of these measures", value=limits, source="the runs above")),
    ]


def ethical_considerations(of: Known) -> list[Item]:
    return [field(of.model, "personal_data"), field(of.model, "risks_not_captured")]


def caveats(of: Known) -> list[Item]:
    return [
        field(of.model, "assumptions"),
        field(of.model, "limitations"),
        field(of.model, "interpretability"),
        field(of.model, "functioning"),
        field(of.model, "monitoring_status"),
        field(of.model, "next_review_on", label="Next review"),
        *known(field(of.model, "adjustments", mend=""), field(of.model, "recalibrates_itself", mend="")),
    ]


FILLED: dict[str, Callable[[Known], list[Item]]] = {
    "model_details": model_details,
    "intended_use": intended_use,
    "factors": factors,
    "metrics": metrics,
    "evaluation_data": evaluation_data,
    "training_data": training_data,
    "quantitative_analyses": quantitative_analyses,
    "ethical_considerations": ethical_considerations,
    "caveats_and_recommendations": caveats,
}
