"""Plots as every page has them: small SVG files with text as text, and the same figures give the same file."""

from pathlib import Path
from typing import Any


def new_figure(name: str, layout: list[list[str]], size: tuple[float, float]) -> tuple[Any, dict[str, Any]]:
    """Return a figure of that size in inches, and its axes by the names in `layout`; `name` makes its ids its own."""
    import matplotlib as mpl  # noqa: PLC0415 - a second of CPU, and not in every environment that measures
    from matplotlib import pyplot as plt  # noqa: PLC0415

    mpl.rcParams |= {"svg.hashsalt": name, "svg.fonttype": "none", "font.size": 9, "axes.grid": True}
    mpl.rcParams |= {"grid.alpha": 0.3, "axes.spines.top": False, "axes.spines.right": False}
    figure, axes = plt.subplot_mosaic(layout, figsize=size, layout="constrained")
    return figure, axes


def save(figure: Any, path: Path) -> None:
    """Write the figure, and free it."""
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure.savefig(path, format="svg", metadata={"Date": None})
    plt.close(figure)
