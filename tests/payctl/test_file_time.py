"""The time of the processor's file, as an operator gives it and is told of it."""

import pytest

from payctl.commands.show import render_payments
from payctl.payments.comparison.store import FileTime
from payctl.payments.reconcile import Reconciliation
from tests.payctl.conftest import Project
from tests.payctl.test_cli import fails

TIMES = ("--file-from", "2024-01-15", "--file-to", "2024-01-16")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--file-from", "2024-01-15"), "--file-from and --file-to are given both or neither"),
        (("--file-to", "2024-01-15"), "--file-from and --file-to are given both or neither"),
        ((), "are of the processor's file; name it with --processor-file"),
        (("--processor-file", "charges.csv", "--file-to", "2024-01-15"), "--file-from must be before --file-to"),
        (("--processor-file", "charges.csv", "--file-to", "noon"), "'noon' is no moment"),
        (("--processor-file", "charges.csv", "--since", "2024-01-16"), "--since must be before --file-to"),
    ],
)
def test_a_time_that_makes_no_sense_is_refused(project: Project, words: tuple[str, ...], says: str) -> None:
    (project.folder / "charges.csv").write_text("reference,amount,currency\n")
    given = words if words[:1] in (("--file-from",), ("--file-to",)) else (*TIMES, *words)
    fails(project.payctl("reconcile", *given), says)


@pytest.mark.parametrize(
    ("time", "says"),
    [
        (None, ""),
        (
            FileTime(first="", last="", outside=0),
            "the processor's file tells no moments: payments of all times are looked for in it",
        ),
        (
            FileTime(first="2024-01-15T10:00:00Z", last="2024-01-15T17:30:00Z", outside=0),
            "looked for in the processor's file: payments decided from 2024-01-15T10:00:00Z to 2024-01-15T17:30:00Z",
        ),
        (
            FileTime(first="2024-01-15T10:00:00Z", last="2024-01-15T17:30:00Z", outside=3),
            "looked for in the processor's file: payments decided from 2024-01-15T10:00:00Z to 2024-01-15T17:30:00Z; "
            "3 that a processor settled were decided at other times and not looked for: compare "
            "the processor's other files too, and say with --file-from and --file-to of what time each is",
        ),
    ],
)
def test_the_answer_says_which_time_was_judged(
    capsys: pytest.CaptureFixture[str], time: FileTime | None, says: str
) -> None:
    render_payments.reconciliation(
        Reconciliation(payments=4, young=0, findings=(), counts={}, left=0, processor_file=time)
    )
    assert " ".join(capsys.readouterr().out.split()) == f"4 payments, 0 findings {says}".strip()


def test_the_answer_says_that_not_every_receipt_was_read(capsys: pytest.CaptureFixture[str]) -> None:
    render_payments.reconciliation(
        Reconciliation(payments=900, young=0, findings=(), counts={}, left=0, receipts_read=500)
    )
    assert " ".join(capsys.readouterr().out.split()) == (
        "900 payments, 0 findings receipts of 500 payments were read and held against the records; of all others only "
        "the lengths were compared: run it again, and others are read"
    )


@pytest.mark.parametrize(("books", "says"), [(".run/books-dev.duckdb", "DuckDB"), ("payment_books_dev", "Athena")])
def test_what_is_kept_is_said_to_be_where_it_is(capsys: pytest.CaptureFixture[str], books: str, says: str) -> None:
    render_payments.reconciliation(Reconciliation(payments=1, young=0, findings=(), counts={}, left=0, books=books))
    assert f"{books} ({says}" in capsys.readouterr().out
