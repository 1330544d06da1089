"""What a model file is: told by its content, never by its extension, and never by loading it."""

from registry.formats.identification import identify
from registry.formats.kinds import Format, Refusal

__all__ = ["Format", "Refusal", "identify"]
