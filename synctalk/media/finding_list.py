"""The part of a report's picture that says in words what was found."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from synctalk.media.verdict import Finding, Verdict

_COLOURS = {Verdict.GOOD: "#2e7d32", Verdict.USABLE: "#b26a00", Verdict.POOR: "#c62828", Verdict.UNUSABLE: "#c62828"}


def draw_findings(figure: Figure, findings: Sequence[Finding], *, top: float, height: float) -> None:
    """List findings in two columns: verdict, figure in words, and the advice below it.

    Args:
        figure: Where to.
        findings: In the order in which they are read.
        top: Where the list begins, as a share of the figure's height.
        height: How much of it the list fills.
    """
    rows = -(-len(findings) // 2)
    for index, found in enumerate(findings):
        column, row = divmod(index, rows)
        x, y = 0.03 + 0.485 * column, top - height * row / rows
        figure.text(x, y, found.verdict, color=_COLOURS[found.verdict], fontsize=10, weight="bold", va="top")
        figure.text(x + 0.06, y, f"{found.name}: {_plain(found.text)}", fontsize=10, va="top")
        if found.advice:
            figure.text(x + 0.07, y - 0.019, _plain(found.advice), fontsize=7, color="#555555", va="top")


def _plain(text: str) -> str:
    """Text in which a dollar does not begin a formula."""
    return text.replace("$", r"\$")
