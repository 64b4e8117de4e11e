"""Processor time of function processes."""

import os
from pathlib import Path
from typing import Any


def cpu_seconds(process: Any) -> float:
    """What a process has used until now, in user and system mode; 0.0 where the system does not say (not Linux)."""
    if process is None:
        return 0.0
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
