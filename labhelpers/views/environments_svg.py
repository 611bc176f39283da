"""The environments as one SVG that needs no page around it: for saved notebooks and documents; pure."""

from __future__ import annotations

from xml.sax.saxutils import escape

from labhelpers.views.environments_data import Bar, Picture, Row, picture_text

WIDTH, LEFT, RIGHT = 900.0, 132.0, 16.0
TOP, CURVE, AXIS, FOOT = 56.0, 90.0, 22.0, 40.0
LETTERS = 19
INK, GREY, RED, GROUND, LINE = "#1b2533", "#505b6b", "#a3201a", "#fdfcf8", "#c3cad4"
FILLS = {"init": "url(#init)", "busy": "#b3500f"}

_PATTERN = (
    '<pattern id="init" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<rect width="6" height="6" fill="#e6e2f7"/><rect width="2.5" height="6" fill="#5b46a5"/></pattern>'
)


def environments_svg(picture: Picture) -> str:
    """Lanes, curve and legend as SVG text, with the text form as description."""
    row = lane_height(len(picture.rows))
    bottom = TOP + row * len(picture.rows)
    height = bottom + 16 + CURVE + AXIS + FOOT
    size = f'width="{WIDTH:g}" height="{height:g}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" {size} role="img" ',
        'font-family="Inter, system-ui, sans-serif">',
        f"<title>{escape(picture.title)}</title><desc>{escape(picture_text(picture))}</desc>",
        f'<defs>{_PATTERN}</defs><rect {size} rx="8" fill="{GROUND}" stroke="{LINE}"/>',
        _text(14, 22, picture.title, 14, INK, bold=True),
        _text(14, 42, picture.summary, 12, INK),
    ]
    for fold in picture.folds:
        x0, x1 = _x(fold.x0), _x(fold.x1)
        whole = bottom + 16 + CURVE - TOP
        lines.append(
            f'<rect x="{x0:g}" y="{TOP:g}" width="{x1 - x0:g}" height="{whole:g}" fill="#eceef2" '
            f'stroke="{GREY}" stroke-dasharray="3 3"/>'
        )
        lines.append(_text((x0 + x1) / 2, TOP + whole - 4, fold.label, 10, GREY, anchor="middle"))
    for number, lane in enumerate(picture.rows):
        lines += _lane(lane, TOP + number * row, row)
    lines += _curve(picture, bottom + 16)
    below = bottom + 16 + CURVE
    lines += [_text(_x(tick.x), below + 15, tick.label, 11, GREY, anchor="middle") for tick in picture.ticks]
    lines.append(_text(14, height - 14, LEGEND, 11, GREY))
    return "\n".join([*lines, "</svg>"])


LEGEND = (
    "hatched: INIT · solid: busy · thin line: frozen · dots: reset · × failed · ■ ended · ▲ throttled · "
    "dashed frame: time folded, nothing ran"
)


def lane_height(rows: int) -> float:
    """Pixels for each lane, so that many still fit on a page."""
    return 22.0 if rows <= 24 else 12.0 if rows <= 48 else 6.0


def _x(share: float) -> float:
    return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)


def _lane(lane: Row, y: float, row: float) -> list[str]:
    middle, tall = y + row / 2, row * 0.72
    found = [_bar(bar, middle, tall) for bar in lane.bars]
    if row >= 12:
        name = lane.name if len(lane.name) <= LETTERS else f"{lane.name[: LETTERS - 3]}…{lane.name[-2:]}"
        found.append(_text(LEFT - 10, middle + 4, name, min(12.0, row * 0.8), INK, anchor="end"))
    if lane.ended >= 0:
        side = min(9.0, row * 0.6)
        found.append(
            f'<rect x="{_x(lane.ended):g}" y="{middle - side / 2:g}" width="{side:g}" height="{side:g}" fill="{INK}"/>'
        )
    return found


def _bar(bar: Bar, middle: float, tall: float) -> str:
    x0, x1 = _x(bar.x0), _x(bar.x1)
    if bar.kind in FILLS:
        drawn = (
            f'<rect x="{x0:g}" y="{middle - tall / 2:g}" width="{x1 - x0:g}" height="{tall:g}" '
            f'fill="{FILLS[bar.kind]}" stroke="{GROUND}" stroke-width="0.8"/>'
        )
    else:
        dots = ' stroke-dasharray="1 5" stroke-linecap="round"' if bar.kind == "reset" else ""
        drawn = f'<path d="M{x0:g} {middle:g}H{x1:g}" stroke="{GREY}" stroke-width="2"{dots}/>'
    return drawn + (_text(x1, middle + 6, "×", 17, RED, bold=True, anchor="middle") if bar.failed else "")


def _curve(picture: Picture, top: float) -> list[str]:
    base = top + CURVE
    most = max(picture.most, 1)
    scale = (CURVE - 22) / most
    found = [
        _text(LEFT - 10, base - CURVE + 26, f"{picture.most} at once", 12, INK, anchor="end"),
        _text(LEFT - 10, base, "0", 12, INK, anchor="end"),
        f'<path d="M{LEFT:g} {base:g}H{WIDTH - RIGHT:g}" stroke="{GREY}"/>',
    ]
    for x0, x1, count in picture.curve:
        tall = count * scale
        found.append(
            f'<rect x="{_x(x0):g}" y="{base - tall:g}" width="{_x(x1) - _x(x0):g}" height="{tall:g}" fill="#1357b8"/>'
        )
    found += [_text(_x(x), top + 14, "▲", 12, RED, anchor="middle") for x, _ in picture.throttles]
    return found


def _text(
    x: float, y: float, text: str, size: float, colour: str, *, bold: bool = False, anchor: str = "start"
) -> str:
    weight = ' font-weight="700"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size:g}" fill="{colour}" text-anchor="{anchor}"{weight}>'
        f"{escape(text)}</text>"
    )
