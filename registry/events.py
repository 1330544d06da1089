from trail.events import Vocabulary


class Event(Vocabulary):
    MODEL_REGISTERED = "registry.model.registered", "{actor} registered the model {subject}"
    MODEL_UPDATED = "registry.model.updated", "{actor} updated the inventory entry of {subject}"
    MODEL_IMPORTED = "registry.model.imported", "{actor} imported {subject} from {facts[file]}"
    FIELD_ADDED = "registry.field.added", "{actor} added the inventory field {subject}"
    VERSION_REGISTERED = "registry.version.registered", "{actor} registered {subject}"
    ARTIFACT_DOWNLOADED = "registry.artifact.downloaded", "{actor} downloaded the artifact of {subject}"
    CARD_WRITTEN = "registry.card.written", "{actor} wrote the card section “{facts[section]}” of {subject}"
    DATASET_UPLOADED = "registry.dataset.uploaded", "{actor} uploaded the dataset {subject}, {facts[rows]} rows"
    LINEAGE_ADDED = "registry.lineage.added", "{actor} recorded that {subject}"
    ENVIRONMENT_OPENED = "registry.environment.opened", "{actor} opened the environment {subject}"
