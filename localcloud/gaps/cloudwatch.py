"""CloudWatch: every Region's alarms evaluated as AWS does, by dimensions, with metric math and missing data.

The emulator evaluates when data is put, over all dimensions, without metric math. Here every alarm is looked at every
few seconds: each of the last `EvaluationPeriods` periods is a data point, the present one as soon as it has data.
"""

import asyncio
import contextlib
import logging
import operator
import time
from functools import partial
from typing import Any, Final

from ministack.core.responses import get_account_id, request_scope
from ministack.services import cloudwatch, sqs
from ministack.services.cloudformation import provisioners

from localcloud.cloud import Cloud, Metrics
from localcloud.gaps import metric_math, patching
from localcloud.gaps.metric_math import Series
from localcloud.gaps.patching import Properties
from localcloud.iam.rights import DeniedError, Rights
from localcloud.network import Network

EVERY_SECONDS: Final = 5.0
SERVICE: Final = "cloudwatch.amazonaws.com"
logger = logging.getLogger("localcloud.alarms")
Alarm = dict[str, Any]

_COMPARISONS: Final = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}


def install(cloud: Cloud) -> None:
    """Accept metric math in templates, and evaluate alarms in this way only, for as long as the server runs."""
    patching.wrap(provisioners, "_cw_metric_alarm_record", _record)
    patching.wrap(cloudwatch, "_evaluate_all_alarms", lambda _evaluate_all: None)
    patching.wrap(cloudwatch, "_dispatch_alarm_actions", partial(_notify, cloud.rights))
    loop = asyncio.get_running_loop()

    def look() -> None:
        loop.call_later(EVERY_SECONDS, look)
        _publish_queue_depths(cloud.metrics)
        _evaluate_all(cloud.network, time.time())

    loop.call_later(EVERY_SECONDS, look)


def _notify(rights: Rights, notify: Any, alarm: Alarm, *arguments: Any) -> None:
    """An alarm reaches the topics whose policies and keys allow it."""

    def reached(topic: str) -> bool:
        source = {"aws:SourceArn": alarm.get("AlarmArn", ""), "aws:SourceAccount": get_account_id()}
        try:
            rights.require(SERVICE, "sns:Publish", topic, source, by="an alarm for a topic")
            rights.require_key_of(SERVICE, topic, source, by="an alarm for a topic")
        except DeniedError as error:
            logger.warning("%s tells nobody: %s", alarm.get("AlarmName"), error)
            return False
        return True

    lists = ("AlarmActions", "OKActions", "InsufficientDataActions")
    notify(
        {**alarm, **{name: [topic for topic in alarm.get(name) or [] if reached(topic)] for name in lists}}, *arguments
    )


def _record(record: Any, name: str, properties: Properties) -> Alarm:
    """An alarm as the emulator keeps it."""
    queries = properties.get("Metrics")
    if not queries:
        plain: Alarm = record(name, properties)
        return plain
    # The emulator's record needs a metric; a stand-in takes the queries' place.
    stand_in = {"MetricName": "-", "Namespace": "-", **{k: v for k, v in properties.items() if k != "Metrics"}}
    alarm: Alarm = record(name, stand_in)
    for field in ("MetricName", "Namespace", "Statistic", "Dimensions"):
        alarm.pop(field, None)
    return alarm | {"Metrics": queries}


def _publish_queue_depths(metrics: Metrics) -> None:
    """The visible messages of every queue, as SQS publishes them by itself."""
    now = time.time()
    for (account, region, _), queue in list(sqs._queues._data.items()):
        visible = sum(message.get("visible_at", 0) <= now for message in list(queue["messages"]))
        with request_scope(account, region):
            metrics.count("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": queue["name"]}, visible)


def _evaluate_all(network: Network, moment: float) -> None:
    """Evaluate every alarm of every account and Region."""
    for (account, region, name), alarm in list(cloudwatch._alarms._data.items()):
        if not network.up(region, "monitoring"):
            continue
        with request_scope(account, region):
            try:
                _evaluate(alarm, moment)
            except Exception:  # one alarm must not stop the others
                logger.exception("cannot evaluate the alarm %s in %s", name, region)


def _evaluate(alarm: Alarm, moment: float) -> None:
    periods = int(alarm.get("EvaluationPeriods", 1))
    needed = int(alarm.get("DatapointsToAlarm") or periods)
    series, period = _series(alarm, moment, periods)
    last = int(moment // period) * period
    if last not in series:
        last -= period  # the present period is no data point before something is in it
    starts = [last - index * period for index in range(periods)]
    breaches = _COMPARISONS.get(alarm.get("ComparisonOperator", ""))
    if breaches is None:
        return
    threshold = float(alarm["Threshold"])
    missing = alarm.get("TreatMissingData", "missing")
    since = alarm.get("AlarmConfigurationUpdatedTimestamp", 0)  # missing data before that means nothing
    verdicts = [
        breaches(series[start], threshold) if start in series else missing == "breaching"
        for start in starts
        if start in series
        or (missing in ("breaching", "notBreaching") and (missing == "notBreaching" or start >= since))
    ]
    if sum(verdicts) >= needed:
        state = "ALARM"
    elif verdicts:
        state = "OK"
    elif missing == "ignore":
        return
    else:
        state = "INSUFFICIENT_DATA"
    if state != alarm["StateValue"]:
        points = [series.get(start) for start in starts]
        _change(alarm, state, f"{needed} of the last {periods} datapoints {points} against {threshold}")


def _change(alarm: Alarm, state: str, reason: str) -> None:
    before = alarm["StateValue"]
    alarm.update(StateValue=state, StateReason=reason, StateUpdatedTimestamp=int(time.time()))
    cloudwatch._record_history(alarm["AlarmName"], before, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, before, state, reason)
    with contextlib.suppress(KeyError):
        cloudwatch._evaluate_parent_alarms(alarm)


def _series(alarm: Alarm, moment: float, periods: int) -> tuple[Series, int]:
    """Values by start of their period, and the period's length in seconds."""
    if "Metrics" not in alarm:
        period = int(alarm.get("Period", 60))
        statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic", "Average")
        return _read(alarm, statistic, period, since=moment - (periods + 2) * period), period
    stats = {query["Id"]: query["MetricStat"] for query in alarm["Metrics"] if "MetricStat" in query}
    period = max((int(stat.get("Period", 60)) for stat in stats.values()), default=60)
    since = moment - (periods + 2) * period
    values = {name: _read(stat["Metric"], stat["Stat"], period, since=since) for name, stat in stats.items()}
    result = next(query for query in alarm["Metrics"] if query.get("ReturnData", True) not in (False, "false"))
    if "Expression" not in result:
        return values[result["Id"]], period
    last = int(moment // period) * period
    times = [last - index * period for index in range(periods + 1)]
    return metric_math.evaluate(result["Expression"], values, times), period


def _read(metric: dict[str, Any], statistic: str, period: int, *, since: float) -> Series:
    """A metric's statistic by period, of exactly the metric's dimensions."""
    dimensions = cloudwatch._dims_from_list(metric.get("Dimensions") or [])
    key = (metric["Namespace"], metric["MetricName"], cloudwatch._dims_key(dimensions))
    buckets: dict[int, list[Any]] = {}
    for point in cloudwatch._metrics.get(key) or []:
        if point["Timestamp"] >= since:
            buckets.setdefault(int(point["Timestamp"] // period) * period, []).append(point)
    return {
        start: cloudwatch._stat_value(cloudwatch._calc_stats(points), statistic, points)
        for start, points in buckets.items()
    }
