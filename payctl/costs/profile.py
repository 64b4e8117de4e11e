"""The profile: what payments of each kind, and an idle environment, use of AWS (`make profile` counts it)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("profile.json")


@dataclass(frozen=True)
class Use:
    """An amount of one item of the price list, in one Region, for one cause. What is billed by the GB is in bytes."""

    region: str
    cause: str
    operation: str
    item: str
    amount: float


@dataclass(frozen=True)
class Kind:
    """What `number` payments of a kind used in all, with the bytes that they leave stored, and how many cells of them
    the janitors had to take a step further."""

    number: int
    swept: int
    uses: tuple[Use, ...]
    stored: tuple[Use, ...]


@dataclass(frozen=True)
class Profile:
    """Regions are in rank order. `memory` by function, in MB; `idle` by what runs when nothing is paid; `standing`
    is there in any case; `post_seconds`: what a client waits for a payment, by Region."""

    counted: str
    regions: tuple[str, ...]
    latency: tuple[tuple[tuple[str, str], float], ...]
    processor_seconds: float
    memory: Mapping[str, int]
    post_seconds: Mapping[str, float]
    standing: tuple[Use, ...]
    idle: Mapping[str, tuple[Use, ...]]
    payments: Mapping[str, Kind]


@cache
def load(file: Path = FILE) -> Profile:
    """Read a profile."""
    data = json.loads(file.read_text(encoding="utf-8"))
    return Profile(
        counted=data["counted"],
        regions=tuple(data["regions"]),
        latency=tuple(((*each["regions"],), each["seconds"]) for each in data["latency"]),
        processor_seconds=data["processor_seconds"],
        memory=data["memory"],
        post_seconds=data["post_seconds"],
        standing=tuple(
            Use(row["region"] or data["regions"][0], "standing", "", row["item"], row["amount"])
            for row in data["standing"]
        ),
        idle={name: _uses(rows) for name, rows in data["idle"].items()},
        payments={name: _kind(kind) for name, kind in data["payments"].items()},
    )


def _kind(data: Mapping[str, Any]) -> Kind:
    stored = tuple(Use(row["region"], "stored", row["what"], row["item"], row["bytes"]) for row in data["stored"])
    return Kind(data["number"], data["swept"], _uses(data["lines"]), stored)


def _uses(rows: list[dict[str, Any]]) -> tuple[Use, ...]:
    return tuple(Use(**row) for row in rows)
