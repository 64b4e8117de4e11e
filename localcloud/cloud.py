"""What the gaps are handed: the network, the deliveries over it, the metrics of AWS services, and IAM's judgement."""

import threading
import time
from dataclasses import dataclass, field
from typing import Final

from ministack.services import cloudwatch

from localcloud.deliveries import Deliveries
from localcloud.iam.rights import Rights
from localcloud.network import Network

RESOLUTION: Final = 60


@dataclass(frozen=True)
class Metrics:
    """Puts metrics that the emulator does not publish into its CloudWatch, summed by minute so that they stay small."""

    _lock: threading.Lock = field(default_factory=threading.Lock)  # invocations end on threads of their own

    def count(
        self, namespace: str, name: str, dimensions: dict[str, str], value: float = 1, unit: str = "Count"
    ) -> None:
        """Add a value to this minute's statistics of a metric, in the current account and Region."""
        start = int(time.time() // RESOLUTION) * RESOLUTION
        with self._lock:
            points = cloudwatch._metric_bucket((namespace, name, cloudwatch._dims_key(dimensions)))
            if not points or points[-1]["Timestamp"] < start or "_stat" not in points[-1]:
                statistics = {"SampleCount": 0.0, "Sum": 0.0, "Minimum": value, "Maximum": value}
                point = {"Timestamp": start, "Value": value, "Unit": unit, "Dimensions": dict(dimensions)}
                points.append({**point, "_stat": statistics})
            statistics = points[-1]["_stat"]
            statistics["SampleCount"] += 1
            statistics["Sum"] += value
            statistics["Minimum"] = min(statistics["Minimum"], value)
            statistics["Maximum"] = max(statistics["Maximum"], value)


@dataclass(frozen=True)
class Cloud:
    """Made once by `application()`; whatever fills a gap takes from it what it needs."""

    network: Network
    deliveries: Deliveries
    metrics: Metrics
    rights: Rights
