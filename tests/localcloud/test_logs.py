"""What a filter of CloudWatch Logs finds."""

import time

import pytest

from tests.localcloud.conftest import Clients

LINES = ('{"what": "no answer"}', '{"what": "answered", "payment": "knoaaa"}', '{"what": "No answer"}')


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ('"no answer"', LINES[:1]),
        ("no answer", LINES[:2]),
        ('answer -"no answer"', LINES[1:]),
        ("?knoaaa ?No", LINES[1:]),
        ("", LINES),
    ],
)
def test_a_phrase_in_quotes_is_one_and_capitals_count(
    client: Clients, name: str, pattern: str, found: tuple[str, ...]
) -> None:
    logs, stream = client("logs"), {"logGroupName": name, "logStreamName": "one"}
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(**stream)
    now = int(time.time() * 1000)
    logs.put_log_events(**stream, logEvents=[{"timestamp": now, "message": line} for line in LINES])
    events = logs.filter_log_events(logGroupName=name, **({"filterPattern": pattern} if pattern else {}))["events"]
    assert tuple(event["message"] for event in events) == found
