"""Keep notebooks/*.ipynb in one form: `tools/notebooks.py [--check]`, and `tools/notebooks.py run 05 ...`.

Tidying makes cell ids from what a cell says, writes the links to the notebooks before and after, and takes out what one
run or one editor left behind. `run` executes a notebook as nbval does and stores what it shows; what is still the same
after tests/nbval_sanitize.cfg stays as it was, so that a run changes no line without a reason.
Stored outputs are folded away in JupyterLab until a learner runs the cell: they must not answer before the question.
"""

import argparse
import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
SANITIZE = ROOT / "tests" / "nbval_sanitize.cfg"

# The course in its order. A notebook that is still to come is left out of the links.
COURSE = (
    "00_start_here",
    "01_servers_to_functions",
    "02_anatomy_of_a_function",
    "03_life_cycle",
    "04_memory_timeout_bill",
    "05_the_pipeline",
    "06_triggers",
    "07_sync_async_poll",
    "08_concurrency",
    "09_versions_aliases_layers",
    "10_any_language",
    "11_front_door",
    "12_http_api",
    "13_rest_api",
    "14_keys_plans_money",
    "15_who_may_call",
    "16_websocket",
    "17_choosing",
    "18_detective",
    "19_least_privilege",
    "20_take_it_to_aws",
)
LINKS = "links"  # The tag of the generated cell.
CELL_TIMEOUT_S = 120
WIDGET = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def read(path: Path) -> NotebookNode:
    """A notebook of the newest format, whatever minor version its file has."""
    return nbformat.from_dict(nbformat.read(path, as_version=4) | {"nbformat": 4, "nbformat_minor": 5})


def text_of(notebook: NotebookNode) -> str:
    """A notebook as the text of its file."""
    return str(nbformat.writes(notebook)).rstrip("\n") + "\n"


def title(path: Path) -> str:
    """A notebook's H1."""
    first = read(path).cells[0].source
    return first.partition("\n")[0].removeprefix("# ").strip()


def links(stem: str, folder: Path = NOTEBOOKS) -> str:
    """One line of markdown that leads to the notebooks before and after, of those that are there."""
    there = [name for name in COURSE if name == stem or (folder / f"{name}.ipynb").exists()]
    place = there.index(stem)
    parts = []
    if place > 0:
        before = folder / f"{there[place - 1]}.ipynb"
        parts.append(f"[← {title(before)}]({before.name})")
    if place + 1 < len(there):
        after = folder / f"{there[place + 1]}.ipynb"
        parts.append(f"[{title(after)} →]({after.name})")
    return "---\n" + " &nbsp;·&nbsp; ".join(parts)


def tidy(notebook: NotebookNode, links_text: str) -> NotebookNode:
    """The same notebook in the one form; gives back what it was given if that has it already."""
    cells = [cell for cell in notebook.cells if LINKS not in cell.metadata.get("tags", [])]
    cells.append(nbformat.v4.new_markdown_cell(links_text, metadata={"tags": [LINKS]}))
    runs = 0
    for cell in cells:
        cell.source = cell.source.strip("\n")
        tags = cell.metadata.get("tags")
        cell.metadata = NotebookNode({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            runs += cell.execution_count is not None
            _tidy_code(cell, runs)
    for cell, id_ in zip(cells, _ids(cells), strict=True):
        cell.id = id_
    return nbformat.from_dict({"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5})


def _tidy_code(cell: NotebookNode, run: int) -> None:
    if cell.execution_count is not None:
        cell.execution_count = run
    for output in cell.outputs:
        if "execution_count" in output:
            output.execution_count = cell.execution_count
        if "data" in output:
            output.data.pop(WIDGET, None)
            output.metadata = NotebookNode({})
        if output.output_type == "stream":
            # The first run of a cell writes its file, a later one writes over it.
            output.text = re.sub(r"^Overwriting ", "Writing ", output.text)
    if cell.outputs:
        cell.metadata["jupyter"] = {"outputs_hidden": True}


def _ids(cells: Iterable[NotebookNode]) -> list[str]:
    seen: Counter[str] = Counter()
    ids = []
    for cell in cells:
        text = f"{cell.cell_type}\n{LINKS if LINKS in cell.metadata.get('tags', []) else cell.source}"
        seen[text] += 1
        ids.append(hashlib.sha256(f"{text}\n{seen[text]}".encode()).hexdigest()[:8])
    return ids


def sanitizer(path: Path = SANITIZE) -> list[tuple[re.Pattern[str], str]]:
    """What nbval replaces before it compares, in its own file format and order."""
    text = path.read_text(encoding="utf-8")
    pairs = re.findall(r"^regex: (.*)$\n^replace: (.*)$", text, flags=re.MULTILINE)
    return [(re.compile(pattern), replacement) for pattern, replacement in pairs]


def sanitize(text: str) -> str:
    """A text as nbval compares it."""
    for pattern, replacement in sanitizer():
        text = pattern.sub(replacement, text)
    return text


def _comparable(outputs: list[NotebookNode]) -> str:
    kept = [
        {k: v for k, v in output.items() if k not in ("execution_count", "metadata")} for output in outputs
    ]
    return sanitize(str(kept))


def run(path: Path) -> NotebookNode:
    """Execute a notebook in its folder; outputs that are the same after sanitising are those of the file."""
    before, after = read(path), read(path)
    client = NotebookClient(
        after,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
        coalesce_streams=True,
    )
    client.execute()
    after = tidy(after, links(path.stem, path.parent))
    before = tidy(before, links(path.stem, path.parent))
    for old, new in zip(before.cells, after.cells, strict=True):
        if new.cell_type == "code" and _comparable(old.outputs) == _comparable(new.outputs):
            new.outputs = old.outputs
    return tidy(after, links(path.stem, path.parent))


def chosen(names: list[str]) -> list[Path]:
    """The notebooks whose names begin so, all of them if no name is given."""
    found = [
        path for path in sorted(NOTEBOOKS.glob("*.ipynb")) if not names or path.name.startswith(tuple(names))
    ]
    if not found:
        raise SystemExit(f"no notebook begins with {' or '.join(names)}; there are those of {NOTEBOOKS}")
    return found


def main(arguments: list[str]) -> int:
    """The command; 1 if `--check` found something to tidy, or a cell failed."""
    parser = argparse.ArgumentParser(description="Keep the notebooks in one form.")
    parser.add_argument("what", nargs="*", help="`run` first executes; then beginnings of names, such as 05")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail where something would change"
    )
    options = parser.parse_args(arguments)
    names = [name for name in options.what if name != "run"]
    code = 0
    for path in chosen(names):
        try:
            notebook = run(path) if "run" in options.what else tidy(read(path), links(path.stem, path.parent))
        except CellExecutionError as error:
            print(f"{path.relative_to(ROOT)}: a cell failed, nothing is stored\n{error}", file=sys.stderr)
            code = 1
            continue
        text = text_of(notebook)
        if text == path.read_text(encoding="utf-8"):
            continue
        if options.check:
            print(f"{path.relative_to(ROOT)}: `python tools/notebooks.py` would change it", file=sys.stderr)
            code = 1
        else:
            path.write_text(text, encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: written")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
