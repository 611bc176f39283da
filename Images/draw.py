"""Draws the course's pictures: every NAME.svg in this folder becomes NAME.png, and their alt texts alt.json.

`make images` runs it. The fonts are files of this folder and the system's are never looked at, so that a
picture is the same on every machine. A PNG remembers in a text chunk which drawing and fonts it came from.
"""

import hashlib
import json
import struct
import xml.etree.ElementTree as ElementTree
import zlib
from collections.abc import Iterator
from pathlib import Path

import resvg_py

FOLDER = Path(__file__).resolve().parent
FONTS = [FOLDER / "fonts" / "Inter-Regular.ttf", FOLDER / "fonts" / "Inter-Bold.ttf"]
PIXELS_PER_UNIT = 2  # a drawing is 800 units wide, as wide as a notebook shows it; screens have finer pixels
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
SVG = "{http://www.w3.org/2000/svg}"


def drawings() -> list[Path]:
    """All drawings of this folder, by name."""
    return sorted(FOLDER.glob("*.svg"))


def alt_text(drawing: Path) -> str:
    """The drawing's <title> and <desc> in one line, for the brackets of a Markdown image."""
    root = ElementTree.parse(drawing).getroot()
    title, description = (" ".join(root.findtext(SVG + tag, "").split()) for tag in ("title", "desc"))
    return f"{title}. {description}"


def digest(drawing: Path) -> str:
    """SHA-256 of what decides how the picture looks: the drawing, the fonts and the renderer's version."""
    parts = [drawing.read_text(encoding="utf-8").encode(), *(font.read_bytes() for font in FONTS)]
    parts.append(resvg_py.__version__.encode())
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG, each as its type and its data."""
    position = len(PNG_SIGNATURE)
    while position < len(png):
        (length,) = struct.unpack_from(">I", png, position)
        yield png[position + 4 : position + 8], png[position + 8 : position + 8 + length]
        position += length + 12


def texts(png: bytes) -> dict[str, str]:
    """The text chunks of a PNG, by keyword."""
    pairs = (data.split(b"\0", 1) for kind, data in chunks(png) if kind == b"tEXt")
    return {keyword.decode("latin-1"): text.decode("latin-1") for keyword, text in pairs}


def with_texts(png: bytes, entries: dict[str, str]) -> bytes:
    """The PNG with text chunks put after its header."""
    header, *rest = chunks(png)
    added = [(b"tEXt", f"{keyword}\0{text}".encode("latin-1")) for keyword, text in entries.items()]
    return PNG_SIGNATURE + b"".join(_packed(kind, data) for kind, data in [header, *added, *rest])


def _packed(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def draw(drawing: Path) -> bytes:
    """The drawing as a PNG that tells its alt text and what it was drawn from."""
    png = resvg_py.svg_to_bytes(
        svg_string=drawing.read_text(encoding="utf-8"),
        zoom=PIXELS_PER_UNIT,
        skip_system_fonts=True,
        font_files=[str(font) for font in FONTS],
        font_family="Inter",
    )
    return with_texts(bytes(png), {"Description": alt_text(drawing), "Drawn from": digest(drawing)})


def main() -> None:
    """Draw everything again, and say what was written."""
    for drawing in drawings():
        picture = drawing.with_suffix(".png")
        picture.write_bytes(draw(drawing))
        print(f"{picture.name}: {picture.stat().st_size // 1024} KiB")
    alt_texts = {drawing.stem: alt_text(drawing) for drawing in drawings()}
    (FOLDER / "alt.json").write_text(json.dumps(alt_texts, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
