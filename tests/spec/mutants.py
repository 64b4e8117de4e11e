"""The rules of docs/spec/Register.tla broken one at a time: which configuration shows it, and by what."""

from typing import Final, NamedTuple


class Mutant(NamedTuple):
    """`name` as Register.tla knows it, `says` as a reader does. `violates`: what TLC must find broken."""

    name: str
    configuration: str
    violates: str
    says: str


MUTANTS: Final = (
    Mutant("accept on two", "ballots", "ToldTrue", "202 is told when two cells hold the payload"),
    Mutant("refuse on two", "ballots", "RefusedTrue", "422 is told when two cells hold another payload"),
    Mutant("void", "contested", "RefusedTrue", "three payloads, one cell each, are closed as never to be accepted"),
    Mutant("one promise", "ballots", "OneValue", "one promise is enough to propose"),
    Mutant("vote below a promise", "ballots", "OneValue", "a cell accepts a ballot below the one it promised"),
    Mutant(
        "promise a ballot twice", "ballots", "OneValue", "OPEN by `<=`: two workers with equal ballots are promised"
    ),
    Mutant("lowest accepted", "takeovers", "OneValue", "the accepted value of the lowest ballot is proposed"),
    Mutant("propose what was read", "ballots", "ToldTrue", "a takeover proposes the payload that it read before"),
    Mutant("open where it should prepare", "progress", "HeldIsDecided", "a takeover is refused by another payload"),
    Mutant("charge without attempt", "charging", "OneCharge", "the processor is called without an ATTEMPT"),
    Mutant("release a call in doubt", "charging", "OneCharge", "RELEASE although the request may have left"),
    Mutant("rule without cancelling", "charging", "BooksTrue", "`not charged` while the key can still be used"),
    Mutant("operator in the result", "charging", "NotTorn", "a result says who ruled"),
    Mutant("operator in the result", "ending", "DecidedIsPublic", "the same, with one Region lost: it never ends"),
    Mutant("one result", "charging", "PublicFinal", "the record is published when one cell shows it"),
    Mutant("overwrite a result", "rulings", "OneResult", "RESULT over another one"),
    Mutant("no bar", "memory", "OneValue", "a register that lost its memory serves on"),
    Mutant("unbar untaught", "memory", "OneValue", "it serves again before it was taught"),
    Mutant("rejoin at once", "memory", "OneValue", "teaching begins while workers of before the bar live"),
    Mutant(
        "rejoin with any payload", "memory", "ToldTrue", "rejoin fills the barred cell with a payload it did not read"
    ),
    Mutant("no mark", "memory-charging", "OneCharge", "a lost ATTEMPT may be made again"),
    Mutant("teach either result", "memory-rulings", "OneResult", "of two results 1:1, an operator picks one blindly"),
)
