"""Long lists as they come from AWS: botocore's parsers, and its search of every list of S3 for an error, take ten to
thirty times as long as all else that is done with a page."""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from payctl import sdk

SEARCH: Final = "before-parse.s3.*"
ERROR: Final = re.compile(rb"\s*(<\?xml[^>]*>)?\s*<Error\b")
ID: Final = "payctl-unparsed"

Keep = Callable[[dict[str, Any], dict[str, Any]], None]
"""Given an answer of status 200 as botocore is about to parse it, and members for the parsed one: it puts the list
among these, and leaves the rest as `body`."""


@contextmanager
def unparsed(clients: Iterable[Any], operation: str, keep: Keep) -> Iterator[None]:
    """While the block runs, these clients' answers to an operation, such as `s3.ListObjectsV2`, are taken by `keep`
    (botocore, "Extending boto3": the event `before-parse`)."""
    events = [client.meta.events for client in clients]
    of_s3 = _searches() if operation.startswith("s3.") else ()

    def take(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
        if response_dict["status_code"] != 200:
            return
        if of_s3 and ERROR.match(response_dict["body"]):
            response_dict["status_code"] = 500  # what the search is for: S3 may find out after it has begun with 200
            return
        keep(response_dict, customized_response_dict)

    for each in events:
        for search in of_s3:
            each.unregister(SEARCH, search)
        each.register(f"before-parse.{operation}", take, unique_id=ID)
    try:
        yield
    finally:
        for each in events:
            each.unregister(f"before-parse.{operation}", unique_id=ID)
            for search in of_s3:
                each.register_first(SEARCH, search)


def _searches() -> list[Any]:
    """What botocore does before anything of ours can be done."""
    return [handler for event, handler, *first in sdk.handlers.BUILTIN_HANDLERS if event == SEARCH and first]
