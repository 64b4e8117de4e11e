"""`make drill`: a Region lost for 20 s in the middle of a load, on a local cloud of its own, with a report."""

import argparse
import sys
import tempfile
from pathlib import Path

import localcloud
from tests.drills import support


def main() -> int:
    """The exit code of `payctl drill`."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills.run", description=__doc__)
    parser.add_argument("--payments", default="2000")
    parser.add_argument("--rate", default="20")
    parser.add_argument("--scenario", default="region-loss")
    parser.add_argument("--report", default="build/drill.html", type=Path)
    options = parser.parse_args()
    report = options.report.resolve()
    report.parent.mkdir(parents=True, exist_ok=True)
    with localcloud.running() as cloud, tempfile.TemporaryDirectory(prefix="drill-") as folder:
        print(f"deploying on {cloud.endpoint}", flush=True)
        support.bootstrap(cloud)
        site = support.deploy(cloud, "drill", Path(folder))
        support.warm_up(site)
        size = ("--payments", options.payments, "--rate", options.rate)
        print(f"payctl drill {options.scenario} {' '.join(size)}", flush=True)
        done = site.payctl("drill", options.scenario, *size, "--report", str(report))
    print(done.stdout)
    print(done.stderr, file=sys.stderr)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
