"""Plot curves: python plots.py CURVES.json FOLDER, in an environment with matplotlib."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
mpl.rcParams["svg.hashsalt"] = "benchmarks"

import matplotlib.pyplot as plt  # noqa: E402 - the backend is chosen first


def main() -> None:
    for curve in json.loads(Path(sys.argv[1]).read_text()):
        across, up = zip(*curve["points"], strict=True)
        figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
        axes.loglog(across, up, "o-", base=2, label="measured")
        axes.loglog(across, [up[-1] * size / across[-1] for size in across], ":", color="grey", base=2, label="twice")
        axes.set_xlabel(curve["across"])
        axes.set_ylabel(curve["up"])
        axes.set_title(curve["title"])
        axes.set_xticks(across, [f"{size:g}" for size in across])
        axes.legend()
        figure.savefig(Path(sys.argv[2]) / f"{curve['name']}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
