"""Which release this is, and how far one can go back from it (docs/design.md, "Releases")."""

from typing import Final

RELEASE: Final = 1
"""Counts up with each change of what is written, or of what can be read: cells, records, receipts, events."""
OLDEST_READER: Final = 1
"""The oldest release that can read all that this one writes: `payctl rollback` goes back no further."""
