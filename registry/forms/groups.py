"""The inventory fields in the groups in which people fill them in and read them."""

from __future__ import annotations

GROUPS: dict[str, list[str]] = {
    "Identity and use": [
        "name", "purpose", "owner", "developer", "origin", "vendor", "product", "technique", "lifecycle",
        "approved_uses", "observed_use", "use_reconciled_on",
    ],
    "Limits and assumptions": [
        "operating_boundaries", "assumptions", "limitations", "risks_not_captured", "interpretability", "adjustments",
    ],
    "Data": [
        "data_sources", "data_limitations", "outputs", "unstructured_data", "personal_data",
    ],
    "Monitoring and review": [
        "functioning", "functioning_as_of", "monitoring_status", "recalibrates_itself", "review_frequency_months",
        "last_reviewed_on", "next_review_on",
    ],
}  # fmt: skip
