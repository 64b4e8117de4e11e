"""CloudWatch Logs: lines that AWS services write and the emulator does not."""

import time

from ministack.services import cloudwatch_logs


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
