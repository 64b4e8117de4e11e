"""`make pictures`: the site's first page, docs/pictures/site.webp."""

import sys
import tempfile
from pathlib import Path

from tests.docs.site import ROOT, build, serving
from tests.drills import browser, driven

PICTURE = ROOT / "docs" / "pictures" / "site.webp"


def main() -> int:
    """Exit code 1 where there is no Chromium, or the site cannot be built."""
    chromium = browser.found()
    if not chromium:
        print("the picture needs Chromium: install it (Debian: chromium), then repeat", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="site-", ignore_cleanup_errors=True) as folder:
        built = build(Path(folder, "site"))
        if built.returncode:
            print(built.stdout + built.stderr, file=sys.stderr)
            return 1
        with serving(Path(folder, "site")) as address, driven.opened(chromium, Path(folder)) as page:
            page.prefer("light")
            page.size(1280, 1000)
            page.open(address)
            PICTURE.write_bytes(page.picture(format="webp", quality=80))
    print(f"wrote {PICTURE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
