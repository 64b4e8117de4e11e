"""The events by which subscribers are told how payments ended: their streams, and what could not be told."""
