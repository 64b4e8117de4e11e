"""Emitting all templates: compared with importing the libraries and, with PEERS=1, with an AWS CDK app of the same."""

import sys
from pathlib import Path

from bench.measure import Comparison

ROOT = Path(__file__).parents[1]
CDK = ROOT / "bench" / "cdk"
CDK_PYTHON = ROOT / ".venv-cdk" / "bin" / "python"


def comparisons(*, peers: bool) -> list[Comparison]:
    """What `make bench` compares; with `peers` also the CDK app, from an environment of its own."""
    emit = [sys.executable, "-m", "builder"]
    rows = [
        Comparison(
            title="Emitting all templates",
            subject="python -m builder",
            command=emit,
            baseline='python -c "import troposphere, awacs.aws"',
            baseline_command=[sys.executable, "-c", "import troposphere, awacs.aws"],
            most_times=1.6,
            most_mebibytes=60,
            folder=ROOT,
        )
    ]
    if peers:
        rows.append(
            Comparison(
                title="Beside the AWS CDK",
                subject="python -m builder",
                command=emit,
                baseline="the same resources by aws-cdk-lib (Python)",
                baseline_command=[str(CDK_PYTHON), str(CDK / "app.py")],
                most_runs=3,
                folder=ROOT,
            )
        )
    return rows
