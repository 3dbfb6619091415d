"""Legends of panels by matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

MOST_LABELS = 12  # beyond these a legend hides more than it tells


def draw_legends(part: Figure | SubFigure, axes: Sequence[Axes], together: str | None = None) -> None:
    """One legend below axes that show the same things, or at one place for all `together`; else one below each."""
    from matplotlib.transforms import ScaledTranslation

    root = axes[0].get_figure(root=True)
    assert root is not None
    whole = root.get_figwidth()
    found = [one.get_legend_handles_labels() for one in axes]
    most: set[str] = max((set(labels) for _, labels in found), key=len)
    if together or (len(axes) > 1 and all(most.issuperset(labels) and len(labels) > 1 for _, labels in found)):
        every = {
            label: handle for handles, labels in reversed(found) for handle, label in zip(handles, labels, strict=True)
        }
        names = list(dict.fromkeys(label for _, labels in found for label in labels))
        room = whole if together is None or "lower" in together else whole / len(axes) ** 0.5
        _legend(part, [every[name] for name in names], names, room, loc=together or "outside lower center")
        return
    for one, (handles, labels) in zip(axes, found, strict=True):
        below = one.transAxes + ScaledTranslation(0, -0.4, root.dpi_scale_trans)
        width = whole / len(axes)
        _legend(one, handles, labels, width, loc="upper center", bbox_to_anchor=(0.5, 0.0), bbox_transform=below)


def _legend(
    owner: Axes | Figure | SubFigure, handles: Sequence[Artist], labels: Sequence[str], width: float, **where: Any
) -> None:
    """A legend of at most that width in inches; of many numbered things it names the first."""
    from matplotlib import rcParams
    from matplotlib.lines import Line2D

    kept = list(zip(handles, labels, strict=True))
    numbered = [pair for pair in kept if pair[1].rpartition(" ")[2].isdigit()]
    if len(kept) > MOST_LABELS and len(numbered) > 4:
        kept = [pair for pair in kept if pair not in numbered[3:-1]]
        place = kept.index(numbered[-1])
        kept[place] = (numbered[-1][0], f"… {numbered[-1][1]}")
    if kept:
        size = rcParams["legend.fontsize"] / 8
        columns = int(width / (0.35 + 0.06 * max(len(label) for _, label in kept)) / size)
        columns = max(1, min(columns, len(kept)))
        legend = owner.legend(*zip(*kept, strict=True), ncols=columns, handlelength=1.6, columnspacing=1.2, **where)
        for handle in filter(None, legend.legend_handles):  # small faint dots are for crowds
            handle.set_alpha(None)
            if isinstance(handle, Line2D):
                handle.set_markersize(min(max(handle.get_markersize(), 5), 9))
