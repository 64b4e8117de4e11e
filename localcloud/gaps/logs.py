"""CloudWatch Logs: lines that AWS services write and the emulator does not; log groups need their key's policy."""

import time
from functools import partial

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch_logs

from localcloud.cloud import Cloud
from localcloud.gaps import patching
from localcloud.gaps.patching import Properties
from localcloud.iam import documents
from localcloud.iam.rights import LOG_GROUP, DeniedError, Rights


def install(cloud: Cloud) -> None:
    """Check the key of each log group that CloudFormation makes."""
    patching.wrap_resource("AWS::Logs::LogGroup", partial(_check_key, cloud.rights))


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
