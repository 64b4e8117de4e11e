"""Asks a Region's new functions to do their work while CloudFormation waits; builder/release_check.py deploys it."""

import json
import time
import urllib.request
from typing import Any

import boto3
from botocore.config import Config

SECONDS, PATIENCE, CALL = 34, 15, 12  # until the last call; until a wrong answer counts; for one call
UNREAD = "Too few Regions answered to tell"  # what the payment function says of an id that it cannot look up
CONFIG = Config(connect_timeout=2, read_timeout=CALL, retries={"total_max_attempts": 1})
LETTERS = str.maketrans("0123456789", "ghijklmnop", "-")


def handler(event: Any, _context: object = None) -> None:
    try:
        asks = event["RequestType"] != "Delete" and not rolls_back(event["StackId"])
        wrong = check(event) if asks else ""
    except Exception as error:
        wrong = f"the check itself failed: {type(error).__name__}: {error}"
    answer = {
        "Status": "FAILED" if wrong else "SUCCESS",
        "Reason": wrong[:1000] or "checked",
        "PhysicalResourceId": event.get("PhysicalResourceId") or "release-check",
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    print(json.dumps(answer))
    request = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), {"Content-Type": ""})
    request.method = "PUT"
    try:
        urllib.request.urlopen(request, timeout=2.5).close()
    except OSError:
        urllib.request.urlopen(request, timeout=2.5).close()


def rolls_back(stack: str) -> bool:
    """Going back is never held up: what was there before may be no better."""
    try:
        found = boto3.client("cloudformation", config=CONFIG).describe_stacks(StackName=stack)
        return "ROLLBACK" in found["Stacks"][0]["StackStatus"]
    except Exception as error:
        print(f"cannot tell whether the stack is rolled back: {error}")
        return False


def check(event: Any) -> str:
    """What is wrong with the first function that does not work, "" where all do."""
    wanted = event["ResourceProperties"]
    # A Region that is being made may have no other to ask yet.
    alone = event["RequestType"] == "Create" or wanted["Linked"] == "false"
    get = {
        "httpMethod": "GET",
        "path": "/payments",
        "pathParameters": {"id": "check-" + event["RequestId"].translate(LETTERS)},
        "requestContext": {"identity": {"userArn": wanted["Caller"]}},
    }
    asked: list[Any] = [
        (wanted["Processor"], get, lambda said: said["statusCode"] == 404 or (alone and UNREAD in said["body"])),
        (wanted["Health"], {}, lambda said: said["statusCode"] == 200 or '"out"' in said["body"]),
        (wanted["Outcomes"], {"Records": []}, lambda said: said["batchItemFailures"] == []),
        (wanted["Janitor"], {"seconds": 5}, lambda said: "swept" in said),
    ]
    started, pause, wrong = time.monotonic(), 1, ""
    while asked:
        wrong, busy = ask(*asked[0])
        spent = time.monotonic() - started
        if not wrong:
            asked.pop(0)
        elif spent > (SECONDS if busy else PATIENCE):
            break
        else:
            time.sleep(1 if busy else pause)
            pause *= 1 if busy else 2
        if asked and time.monotonic() - started > SECONDS:
            return wrong or f"{asked[0][0]} was not reached in time"
    return wrong


def ask(name: str, payload: Any, good: Any) -> tuple[str, bool]:
    """What is wrong, "" where nothing; and whether that is only that the function is busy."""
    api = boto3.client("lambda", config=CONFIG)
    try:
        answer = api.invoke(FunctionName=name, Payload=json.dumps(payload))
        said = json.loads(answer["Payload"].read())
        if "FunctionError" not in answer and good(said):
            return "", False
        return f"{name} does not work: {json.dumps(said)[:600]}", False
    except api.exceptions.TooManyRequestsException:
        return f"{name} is throttled", True
    except Exception as error:
        return f"{name} does not answer: {error}", False
