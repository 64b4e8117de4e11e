"""Metrics that AWS services publish and the emulator does not."""

from ministack.services import cloudwatch


def count(namespace: str, name: str, dimensions: dict[str, str], value: float = 1, unit: str = "Count") -> None:
    """One data point in the current account and Region."""
    cloudwatch.record_metric(namespace, name, value, unit, dimensions)
