"""What exists. The parts may depend on those above them: inventory, dataset, version, lineage, deployment."""

from registry.models.dataset import ColumnRole, Dataset
from registry.models.deployment import Deployment, Environment
from registry.models.inventory import CustomField, RegisteredModel
from registry.models.lineage import Lineage
from registry.models.version import Artifact, CardSection, Version

__all__ = [
    "Artifact",
    "CardSection",
    "ColumnRole",
    "CustomField",
    "Dataset",
    "Deployment",
    "Environment",
    "Lineage",
    "RegisteredModel",
    "Version",
]
