from trail.events import Vocabulary


class Event(Vocabulary):
    PACK_REQUESTED = "reports.pack.requested", "{actor} asked for the {subject}"
    PACK_BUILT = "reports.pack.built", "The {subject}, asked for by {actor}, was built"
    PACK_FAILED = "reports.pack.failed", "The {subject}, asked for by {actor}, could not be built: {facts[error]}"
    PACK_DOWNLOADED = "reports.pack.downloaded", "{actor} downloaded the {subject}"
