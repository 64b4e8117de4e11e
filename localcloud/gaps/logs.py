"""What AWS services write down and the emulator does not: lines in CloudWatch Logs, traces in X-Ray. And log groups
need their key's policy.

Every request is traced, where AWS traces some. A segment holds what X-Ray's developer guide lists ("AWS X-Ray segment
documents"): of API Gateway the whole address of the request, of Lambda and Step Functions the text of an error.
"""

import json
import re
import secrets
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from ministack import app
from ministack.core import router
from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch_logs

from localcloud.cloud import Cloud
from localcloud.gaps import patching
from localcloud.gaps.patching import Properties
from localcloud.iam import documents
from localcloud.iam.rights import LOG_GROUP, DeniedError, Rights

Segment = dict[str, Any]
Matcher = Callable[[str], bool]
TERM: Final = re.compile(r'([-?]?)(?:"([^"]*)"|(\S+))')
KEPT: Final = 20_000
"""Segments of all Regions; the oldest go first."""
_segments: deque[tuple[str, str, Segment]] = deque(maxlen=KEPT)


def install(cloud: Cloud) -> None:
    """Check the key of each log group that CloudFormation makes, and answer what is asked of X-Ray."""
    app.SERVICE_HANDLERS["xray"] = _xray
    router.SERVICE_PATTERNS["xray"] = {}
    patching.wrap_resource("AWS::Logs::LogGroup", partial(_check_key, cloud.rights))
    cloudwatch_logs._compile_filter_pattern = partial(_compiled, cloudwatch_logs._compile_filter_pattern)


def _compiled(original: Callable[[str], Matcher], raw: str) -> Matcher:
    """A filter pattern of terms: a phrase in quotes is one, and capitals count (CloudWatch Logs user guide, "Filter
    pattern syntax"). The emulator looks for its words."""
    if raw.startswith(("{", "[")):
        return original(raw)
    terms = [(sign, phrase or word) for sign, phrase, word in TERM.findall(raw)]
    wanted = [term for sign, term in terms if sign == ""]
    either = [term for sign, term in terms if sign == "?"]
    unwanted = [term for sign, term in terms if sign == "-"]

    def matches(message: str) -> bool:
        return (
            all(term in message for term in wanted)
            and not any(term in message for term in unwanted)
            and (not either or bool(wanted) or any(term in message for term in either))
        )

    return matches


def _check_key(rights: Rights, name: str, properties: Properties, _old: Properties) -> None:
    region = get_region()
    group = f"arn:aws:logs:{region}:{get_account_id()}:log-group:{name}"
    key = documents.key_arn(properties.get("KmsKeyId", ""), region, get_account_id())
    try:
        if key:
            rights.require_key(f"logs.{region}.amazonaws.com", key, LOG_GROUP, "logs", group, by="AWS::Logs::LogGroup")
    except DeniedError:
        raise ValueError(
            f"The specified KMS key does not exist or is not allowed to be used with Arn '{group}'"
        ) from None


def write(group_arn: str, stream: str, line: str) -> None:
    """Put one line into a log group of the current Region, if there is such a group."""
    group = group_arn.partition(":log-group:")[2].removesuffix(":*")
    if group not in cloudwatch_logs._log_groups:
        return
    place = {"logGroupName": group, "logStreamName": stream}
    if stream not in cloudwatch_logs._log_groups[group]["streams"]:
        cloudwatch_logs._create_log_stream(place)
    event = {"timestamp": int(time.time() * 1000), "message": line}
    cloudwatch_logs._put_log_events({**place, "logEvents": [event]})


# --- X-Ray


def trace(origin: str, name: str, seconds: float = 0.0, *, error: str = "", message: str = "", **more: Any) -> None:
    """Keep the segment of a service of the current Region; `error` and `message` are those of what failed in it."""
    ended = time.time()
    segment = {
        "trace_id": f"1-{int(ended):08x}-{secrets.token_hex(12)}",
        "id": secrets.token_hex(8),
        "name": name,
        "origin": origin,
        "start_time": ended - seconds,
        "end_time": ended,
        **more,
    }
    if error:
        segment |= {"fault": True, "cause": {"exceptions": [{"type": error, "message": message}]}}
    _segments.append((get_account_id(), get_region(), segment))


async def _xray(_method: str, path: str, _headers: Any, body: bytes, _query: Any) -> tuple[int, dict[str, str], bytes]:
    asked: dict[str, Any] = json.loads(body or b"{}")
    if path == "/TraceSegments":
        for document in asked["TraceSegmentDocuments"]:
            _segments.append((get_account_id(), get_region(), json.loads(document)))
        answer: dict[str, Any] = {"UnprocessedTraceSegments": []}
    elif path == "/TraceSummaries":
        seen = {segment["trace_id"]: segment for segment in _own() if segment["start_time"] >= asked["StartTime"]}
        answer = {"TraceSummaries": [_summary(segment) for segment in seen.values()]}
    elif path == "/Traces":
        found: dict[str, list[Segment]] = {}
        for segment in _own():
            found.setdefault(segment["trace_id"], []).append(segment)
        answer = {
            "Traces": [
                {"Id": name, "Segments": [{"Id": each["id"], "Document": json.dumps(each)} for each in found[name]]}
                for name in asked["TraceIds"]
                if name in found
            ]
        }
    else:
        return 400, {"Content-Type": "application/json"}, b'{"__type": "InvalidRequestException"}'
    return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()


def _own() -> list[Segment]:
    here = (get_account_id(), get_region())
    kept = list(_segments)  # at once: functions end on threads of their own
    return [segment for account, region, segment in kept if (account, region) == here]


def _summary(segment: Segment) -> dict[str, Any]:
    """What a list of traces shows."""
    request = segment.get("http", {}).get("request", {})
    http = {"HttpURL": request.get("url"), "HttpMethod": request.get("method")} if request else {}
    services = [{"Name": segment.get("name", ""), "Type": segment.get("origin", "")}]
    return {"Id": segment["trace_id"], "HasFault": bool(segment.get("fault")), "Http": http, "ServiceIds": services}
