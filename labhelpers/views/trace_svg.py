"""The waterfall of one trace as an SVG, for pages without a kernel. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from labhelpers.views.trace_data import BAD, GOOD, MARK, WAITING, Row, Summary, trace_text

_ROW, _LEFT, _WIDTH, _TOP = 26, 330, 420, 34
_FILL = {GOOD: "#2b6cb0", BAD: "#b3261e", WAITING: "#ffffff", MARK: "#505b6b"}


def trace_svg(summary: Summary | None, rows: Sequence[Row]) -> str:
    """The picture, with the text form as its title."""
    height = _TOP + _ROW * max(1, len(rows)) + 12
    total = max([row.end_s for row in rows], default=0.0) or 1.0
    title = f"{summary.title} ({summary.duration_s:.3f} s)" if summary else "No trace yet"
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDTH + 20} {height}" '
            'font-family="system-ui, sans-serif" font-size="12">'
        ),
        f"<title>{escape(trace_text(summary, rows))}</title>",
        f'<rect width="100%" height="{height}" fill="#ffffff"/>',
        f'<text x="8" y="20" fill="#1b2533" font-weight="600">{escape(title)}</text>',
    ]
    for number, row in enumerate(rows):
        y = _TOP + number * _ROW
        x = _LEFT + _WIDTH * row.start_s / total
        width = max(3.0, _WIDTH * (row.end_s - row.start_s) / total)
        dash = ' stroke="#505b6b" stroke-dasharray="3 2"' if row.kind == WAITING else ""
        mark = "✗ " if row.kind == BAD else ""
        label = f"{mark}{row.who}: {row.what}"
        parts.append(f'<text x="8" y="{y + 15}" fill="#1b2533">{escape(_short(label))}</text>')
        parts.append(
            f'<rect x="{x:.1f}" y="{y + 4}" width="{width:.1f}" height="14" rx="2" fill="{_FILL[row.kind]}"{dash}/>'
        )
    return "\n".join([*parts, "</svg>"])


def _short(text: str, most: int = 52) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
