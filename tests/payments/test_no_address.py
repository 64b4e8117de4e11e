"""What a name that cannot be one comes to: nothing was sent."""

import pytest
from payments.http import Host, HttpRequest, NotSentError


@pytest.mark.parametrize("url", ["https://api..example.com", f"https://{'a' * 64}.example.com"])
def test_nothing_is_sent_to_a_name_that_is_none(url: str) -> None:
    with pytest.raises(NotSentError):
        Host(url).send(HttpRequest("GET", "/", {}))
