"""What a workflow is started with again."""

from payctl.payments.dead_letters import Letter
from payctl.payments.redrive import content_of

REPAIRED = {"id": "T1", "amount": "1.00", "currency": "EUR", "timestamp": "2024-01-15T10:30:00Z"}


def letter(account: str = "", **fields: object) -> Letter:
    return Letter(
        region="eu-west-1", message_id="m", reason="", payment="T1", input=fields or None, handle="h", account=account
    )


def test_a_repaired_transaction_stays_the_payment_of_its_account() -> None:
    broken = letter(account="111122223333")
    assert content_of(broken, REPAIRED) == {"transaction": REPAIRED, "account": "111122223333"}
    assert content_of(letter(), REPAIRED) == {"transaction": REPAIRED}


def test_what_is_not_repaired_is_put_back_as_it_was() -> None:
    whole = letter(transactionId="T1", hash="h")
    assert content_of(whole, None) == whole.input
