"""`make bench`: every comparison in one run, on this machine; the ratios count, absolute figures drift."""

import argparse
import importlib
import sys

from bench.measure import Comparison, compare

# Each has a function `comparisons(*, peers: bool) -> list[Comparison]`; add a module here to add rows.
MODULES = ("bench.builder", "bench.function", "bench.janitor", "bench.rejoin", "bench.books")


def main() -> int:
    """Print a table. A limit that is exceeded is printed and no error: this is a measurement, not a test."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--peers", action="store_true", help="also beside other tools (make bench PEERS=1)")
    options = parser.parse_args()
    for module in MODULES:
        for comparison in importlib.import_module(module).comparisons(peers=options.peers):
            show(comparison, options.runs)
    return 0


def show(comparison: Comparison, runs: int) -> None:
    """One comparison: a line for each side and one for the ratio."""
    subject, baseline = compare(comparison, runs)
    ratio = subject.seconds / baseline.seconds
    print(f"{comparison.title} (medians of {min(runs, comparison.most_runs)} runs)")
    for words, taken in ((comparison.subject, subject), (comparison.baseline, baseline)):
        print(f"  {words:<48} {taken.seconds * 1000:8.0f} ms {taken.mebibytes:8.0f} MiB")
    print(f"  ratio {ratio:.2f}{verdict(comparison, ratio, subject.mebibytes)}\n")


def verdict(comparison: Comparison, ratio: float, mebibytes: float) -> str:
    """Whether the limits are kept, if there are any."""
    limits = []
    if comparison.most_times:
        limits.append(f"at most {comparison.most_times}: {'kept' if ratio <= comparison.most_times else 'NOT kept'}")
    if comparison.most_mebibytes:
        kept = "kept" if mebibytes < comparison.most_mebibytes else "NOT kept"
        limits.append(f"under {comparison.most_mebibytes:.0f} MiB: {kept}")
    return f" ({'; '.join(limits)})" if limits else ""


if __name__ == "__main__":
    sys.exit(main())
