"""A seeded adversary around the production code of the payment path; nothing here is imported by it."""

import sys
from pathlib import Path

# As in the functions, where the package `payments` is at top level.
LAMBDA = str(Path(__file__).resolve().parents[2] / "lambda")
if LAMBDA not in sys.path:
    sys.path.insert(0, LAMBDA)
