"""Metrics as log lines in CloudWatch's embedded metric format, namespace `Payments`, by Environment and Region.

Source: CloudWatch User Guide, "Embedded metric format specification". No call, and no cost beyond the log line.
"""

import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from payments.attributes import ENCODE

NAMESPACE: Final = "Payments"
UNITS: Final = {"OldestOverdueSeconds": "Seconds", "BacklogAgeSeconds": "Seconds", "ClockAheadSeconds": "Seconds"}


def emit(
    environment: str, region: str, values: Mapping[str, float], total: Mapping[str, float] | None = None, **more: str
) -> None:
    """One line with these metrics: `values` by Environment, Region and `more`, `total` without `more`."""
    own = {"Environment": environment, "Region": region}
    dimensions = {**own, **more}
    definitions = [_definition(dimensions, values)]
    if total:
        definitions.append(_definition(own, total))
    told = {"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": definitions}}
    sys.stdout.write(ENCODE({**told, **dimensions, **values, **(total or {})}) + "\n")


def _definition(dimensions: Iterable[str], values: Iterable[str]) -> dict[str, Any]:
    return {
        "Namespace": NAMESPACE,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": name, "Unit": UNITS.get(name, "Count")} for name in values],
    }
