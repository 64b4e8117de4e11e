"""`python -m builder` writes templates/*.json; `--check` compares instead and fails when they differ. `--settings FILE`
names another file than deployment.toml."""

import gc
import sys

gc.disable()  # many small objects, a short life: collecting them would cost a fifth of the run

from builder.emit import main  # noqa: E402 - importing makes most of those objects

sys.exit(main(sys.argv[1:]))
