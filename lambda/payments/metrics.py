"""Metrics as log lines in CloudWatch's embedded metric format, namespace `Payments`, by Environment and Region.

Source: CloudWatch User Guide, "Embedded metric format specification". No call, and no cost beyond the log line.
"""

import json
import sys
import time
from collections.abc import Mapping
from typing import Final

NAMESPACE: Final = "Payments"
UNITS: Final = {"OldestOverdueSeconds": "Seconds", "BacklogAgeSeconds": "Seconds", "ClockAheadSeconds": "Seconds"}


def emit(environment: str, region: str, values: Mapping[str, float], **dimensions: str) -> None:
    """One line with these metrics; `dimensions` are added to Environment and Region."""
    dimensions = {"Environment": environment, "Region": region, **dimensions}
    definition = {
        "Namespace": NAMESPACE,
        "Dimensions": [list(dimensions)],
        "Metrics": [{"Name": name, "Unit": UNITS.get(name, "Count")} for name in values],
    }
    line = {"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [definition]}, **dimensions, **values}
    sys.stdout.write(json.dumps(line) + "\n")
