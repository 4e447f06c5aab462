"""`python -m scv.web.assets` copies what the pages load in the browser from node_modules/ to static/vendor/.

`package-lock.json` pins the packages; `MANIFEST` says which of their files are served.
"""

import shutil
import sys
from pathlib import Path

from scv.settings import ROOT

MANIFEST = {
    "htmx.org/dist/htmx.min.js": "htmx.js",
    "htmx.org/LICENSE": "htmx.LICENSE",
    "htmx-ext-sse/sse.js": "sse.js",
    "htmx-ext-sse/LICENSE": "sse.LICENSE",
    "idiomorph/dist/idiomorph-ext.min.js": "idiomorph.js",
    "idiomorph/LICENSE": "idiomorph.LICENSE",
    "sortablejs/Sortable.min.js": "sortable.js",
    "sortablejs/LICENSE": "sortable.LICENSE",
    "uplot/dist/uPlot.iife.min.js": "uplot.js",
    "uplot/dist/uPlot.min.css": "uplot.css",
    "uplot/LICENSE": "uplot.LICENSE",
    "pretendard/dist/LICENSE.txt": "pretendard/LICENSE",
    "pretendard/dist/web/variable/pretendardvariable-dynamic-subset.css": "pretendard/pretendard.css",
    "pretendard/dist/web/variable/woff2-dynamic-subset": "pretendard/woff2-dynamic-subset",
}
"""A file or folder below node_modules/ and its place below static/vendor/."""


def copy_assets(packages: Path, vendor: Path) -> None:
    """Renew `vendor` from `packages`. Raises `FileNotFoundError` naming the first missing file."""
    fresh = vendor.with_name(vendor.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    for source, target in MANIFEST.items():
        origin, copy = packages / source, fresh / target
        if not origin.exists():
            raise FileNotFoundError(f"{origin} is missing: run npm ci first")
        copy.parent.mkdir(parents=True, exist_ok=True)
        if origin.is_dir():
            shutil.copytree(origin, copy)
        else:
            shutil.copyfile(origin, copy)
    shutil.rmtree(vendor, ignore_errors=True)
    fresh.rename(vendor)


if __name__ == "__main__":
    try:
        copy_assets(ROOT / "node_modules", ROOT / "static" / "vendor")
    except FileNotFoundError as error:
        sys.exit(f"scv: {error}")
