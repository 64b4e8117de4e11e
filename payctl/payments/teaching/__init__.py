"""A register that rejoins is taught every payment: lists of all three registers on disk, copies in bulk of what both
others show as final, ballots for the rest (docs/decisions/rejoin-in-bulk.md)."""
