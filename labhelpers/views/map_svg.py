"""The map as one SVG that needs no page around it: for saved notebooks and documents; pure.

Light colours on a ground of its own, because a picture cannot know the theme of the page that shows it.
"""

from __future__ import annotations

from xml.sax.saxutils import escape, quoteattr

from labhelpers.views.map_data import Arrow, MapData, Node
from labhelpers.views.map_shapes import shorten
from labhelpers.views.map_text import failure_line, map_text, totals

FOOTER = 44.0
EDGE = 14.0
LETTER = 6.4  # Mean width of a letter of the footer, for cutting it to the drawing's width.

# Stroke and fill of each kind; text is dark on all of them.
COLOURS = {
    "client": ("#475569", "#e8ebf0"),
    "bucket": ("#2b7d43", "#dcf0df"),
    "function": ("#b3500f", "#fde6d2"),
    "database": ("#5b46a5", "#e6e2f7"),
    "table": ("#5b46a5", "#e6e2f7"),
    "queue": ("#0f6f7c", "#d7eef1"),
    "stream": ("#0f6f7c", "#d7eef1"),
    "api": ("#1d5fa8", "#dceafb"),
    **dict.fromkeys(("topic", "bus", "rule", "schedule"), ("#a02c6d", "#fbe3ef")),
}
OTHER = ("#475569", "#f1f5f9")
INK, GREY, RED, GROUND = "#1b2533", "#475569", "#a3201a", "#fdfcf8"


_TIP = (
    '<marker id="tip" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="9" markerHeight="9" '
    f'markerUnits="userSpaceOnUse" orient="auto"><path d="M0 0L10 5L0 10Z" fill="{INK}"/></marker>'
)


def map_svg(data: MapData) -> str:
    """The map as SVG text, with its text form as description."""
    width, height = max(data.picture.width, 420.0), data.picture.height + FOOTER
    parts = [
        _element("svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width:g} {height:g}",
                 width=f"{width:g}", height=f"{height:g}", role="img", font_family="Inter, system-ui, sans-serif"),
        f"<title>What is travelling where</title><desc>{escape(map_text(data))}</desc>",
        f"<defs>{_TIP}</defs>",
        _element("rect", width=f"{width:g}", height=f"{height:g}", rx="8", fill=GROUND, stroke="#c9d1dc") + "</rect>",
    ]  # fmt: skip
    parts += [_arrow(arrow, data) for arrow in data.picture.arrows]
    parts += [_node(node, data) for node in data.picture.nodes]
    parts.append(_footer(data, width, height))
    parts.append("</svg>")
    return "\n".join(parts)


def _arrow(arrow: Arrow, data: MapData) -> str:
    dash = ' stroke-dasharray="5 4"' if arrow.kind == "event" else ""
    svg = (
        f'<path d="{arrow.path}" fill="none" stroke="{INK}" stroke-width="1.8"{dash} marker-end="url(#tip)"/>'
    )
    if arrow.label:
        svg += _text(arrow.label_x, arrow.label_y - 8, arrow.label, 11, GREY, halo=True)
    if number := data.now.travelled.get(arrow.id, 0):
        svg += _text(arrow.label_x, arrow.label_y + 18, f"{number:,}", 12, INK, bold=True, halo=True)
    return svg


def _node(node: Node, data: MapData) -> str:
    stroke, fill = COLOURS.get(node.kind, OTHER)
    status = data.now.statuses[node.id]
    wide = 3.2 if status.tone == "busy" else 1.8
    svg = f'<g transform="translate({node.x:g} {node.y:g})">'
    svg += f'<path d="{node.outline}" fill="{fill}" stroke="{stroke}" stroke-width="{wide:g}"/>'
    if node.lines:
        svg += f'<path d="{node.lines}" fill="none" stroke="{stroke}" stroke-width="1.8"/>'
    top = node.shift + (-20 if len(node.title) > 1 else -11)
    for row, line in enumerate(node.title):
        svg += _text(0, top + 15 * row, line, 13, INK, bold=True)
    colour = RED if status.tone == "failed" else INK
    below = top + 15 * len(node.title) + 4
    for row, line in enumerate(status.lines):
        svg += _text(0, below + 15 * row, line, 11.5, colour) if line else ""
    return svg + "</g>"


def _footer(data: MapData, width: float, height: float) -> str:
    colour = RED if data.now.failure else INK
    letters = int((width - 2 * EDGE) / LETTER)
    return _text(EDGE, height - 31, shorten(totals(data), letters), 12, INK, anchor="start") + _text(
        EDGE, height - 13, shorten(failure_line(data), letters), 12, colour, anchor="start"
    )


def _text(
    x: float,
    y: float,
    text: str,
    size: float,
    colour: str,
    *,
    bold: bool = False,
    halo: bool = False,
    anchor: str = "middle",
) -> str:
    style = ' font-weight="700"' if bold else ""
    if halo:
        style += f' stroke="{GROUND}" stroke-width="4" stroke-linejoin="round" paint-order="stroke"'
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}" text-anchor={quoteattr(anchor)}{style}>'
        f"{escape(text)}</text>"
    )


def _element(tag: str, **attributes: str) -> str:
    """The opening tag; `font_family` stands for `font-family`."""
    told = "".join(f" {name.replace('_', '-')}={quoteattr(value)}" for name, value in attributes.items())
    return f"<{tag}{told}>"
