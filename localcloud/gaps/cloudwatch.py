"""Alarms evaluated as CloudWatch does: every Region's, by dimensions, with metric math and the rule for missing data.

The emulator evaluates when data is put, over all dimensions, without metric math. Here every alarm is looked at every
few seconds: each of the last `EvaluationPeriods` periods is a data point, the present one as soon as it has data.
"""

import asyncio
import contextlib
import logging
import time
from functools import wraps
from typing import Any, Final

from ministack.core.responses import request_scope
from ministack.services import cloudwatch
from ministack.services.cloudformation import provisioners

from localcloud import cloud as metrics
from localcloud.gaps import metric_math, patching
from localcloud.network import NETWORK

EVERY_SECONDS: Final = 5.0
logger = logging.getLogger("localcloud.alarms")
Alarm = dict[str, Any]
Series = dict[int, float]

_COMPARISONS: Final = {
    "GreaterThanOrEqualToThreshold": lambda value, threshold: value >= threshold,
    "GreaterThanThreshold": lambda value, threshold: value > threshold,
    "LessThanThreshold": lambda value, threshold: value < threshold,
    "LessThanOrEqualToThreshold": lambda value, threshold: value <= threshold,
}
_tasks: set["asyncio.Task[None]"] = set()


def install() -> None:
    """Accept metric math in templates, and evaluate in this way only."""
    original = provisioners._cw_metric_alarm_record

    @wraps(original)
    def record(name: str, properties: dict[str, Any]) -> Alarm:
        queries = properties.get("Metrics")
        if not queries:
            plain: Alarm = original(name, properties)
            return plain
        # The emulator's record needs a metric; the queries stand in for it.
        stand_in = {"MetricName": "-", "Namespace": "-", **{k: v for k, v in properties.items() if k != "Metrics"}}
        alarm: Alarm = original(name, stand_in)
        for field in ("MetricName", "Namespace", "Statistic", "Dimensions"):
            alarm.pop(field, None)
        alarm["Metrics"] = queries
        return alarm

    patching.replace(provisioners, "_cw_metric_alarm_record", record)
    patching.replace(cloudwatch, "_evaluate_all_alarms", lambda: None)


def start(loop: asyncio.AbstractEventLoop) -> None:
    """Look at the alarms for as long as the server runs."""
    task = loop.create_task(_watch())
    _tasks.add(task)


async def _watch() -> None:
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        metrics.publish_queue_depths()
        evaluate_all(time.time())


def evaluate_all(moment: float) -> None:
    """Evaluate every alarm of every account and Region."""
    for (account, region, name), alarm in list(cloudwatch._alarms._data.items()):
        if not NETWORK.up(region, "monitoring"):
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
    treat = alarm.get("TreatMissingData", "missing")
    since = alarm.get("AlarmConfigurationUpdatedTimestamp", 0)  # what is missing before that says nothing
    judged = [
        breaches(series[start], threshold) if start in series else treat == "breaching"
        for start in starts
        if start in series or (treat in ("breaching", "notBreaching") and (treat == "notBreaching" or start >= since))
    ]
    if sum(judged) >= needed:
        state = "ALARM"
    elif judged:
        state = "OK"
    elif treat == "ignore":
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
        return read(alarm, statistic=statistic, period=period, since=moment - (periods + 2) * period), period
    stats = [query["MetricStat"] for query in alarm["Metrics"] if "MetricStat" in query]
    period = max((int(stat.get("Period", 60)) for stat in stats), default=60)
    values = {}
    for query in alarm["Metrics"]:
        if stat := query.get("MetricStat"):
            since = moment - (periods + 2) * period
            values[query["Id"]] = read(stat["Metric"], statistic=stat["Stat"], period=period, since=since)
    result = next(query for query in alarm["Metrics"] if query.get("ReturnData", True) not in (False, "false"))
    if "Expression" not in result:
        return values[result["Id"]], period
    last = int(moment // period) * period
    times = [last - index * period for index in range(periods + 1)]
    return metric_math.evaluate(result["Expression"], values, times), period


def read(metric: dict[str, Any], *, statistic: str, period: int, since: float) -> Series:
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
