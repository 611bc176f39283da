"""Keep notebooks/*.ipynb in one form: `tools/notebooks.py [--check]`, and `tools/notebooks.py run 05 ...`.

Tidying makes cell ids from what a cell says, writes the links to the notebooks before and after, and takes out outputs
and whatever else a run or an editor left behind: a lesson must not answer before it has asked.
`run` executes a notebook as nbval does, and keeps what its cells show in tests/outputs/: tests/kept_outputs.py hands it
to nbval. What is the same after tests/nbval_sanitize.cfg stays as it was, so that no line changes without a reason.
"""

import argparse
import hashlib
import json
import re
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
SANITIZE = ROOT / "tests" / "nbval_sanitize.cfg"
OUTPUTS = ROOT / "tests" / "outputs"

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
VARIES = "nbval-ignore-output"  # The tag of a cell that shows something else on each run.
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
    for cell in cells:
        cell.source = cell.source.strip("\n")
        tags = cell.metadata.get("tags")
        cell.metadata = NotebookNode({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    for cell, id_ in zip(cells, _ids(cells), strict=True):
        cell.id = id_
    return nbformat.from_dict({"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5})


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


def kept_in(path: Path) -> Path:
    """The file that keeps what the cells of a notebook show."""
    return OUTPUTS / f"{path.stem}.json"


def read_kept(path: Path) -> dict[str, list[NotebookNode]]:
    """Cell id -> its outputs, as nbformat has them; for the cells of a notebook that show the same on each run."""
    if not kept_in(path).exists():
        return {}
    kept = json.loads(kept_in(path).read_text(encoding="utf-8"))
    return {id_: [nbformat.from_dict(_joined(output)) for output in outputs] for id_, outputs in kept.items()}


def write_kept(path: Path, outputs: dict[str, list[NotebookNode]]) -> None:
    """The opposite; texts are written line by line, so that a change is read as one."""
    kept_in(path).parent.mkdir(exist_ok=True)
    text = json.dumps(_split(outputs), indent=1, ensure_ascii=False)
    kept_in(path).write_text(text + "\n", encoding="utf-8")


def _split(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _split(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_split(inner) for inner in value]
    if isinstance(value, str) and "\n" in value:
        return {"lines": value.split("\n")}
    return value


def _joined(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == {"lines"}:
        return "\n".join(value["lines"])
    if isinstance(value, dict):
        return {key: _joined(inner) for key, inner in value.items()}
    return [_joined(inner) for inner in value] if isinstance(value, list) else value


def run(path: Path) -> dict[str, list[NotebookNode]]:
    """Execute a notebook in its folder; what its cells show, but for those whose output varies."""
    notebook = tidy(read(path), links(path.stem, path.parent))
    client = NotebookClient(
        notebook,
        timeout=CELL_TIMEOUT_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
        coalesce_streams=True,
    )
    client.execute()
    return {
        cell.id: [_lasting(output) for output in cell.outputs if not _is_over(output)]
        for cell in compared(notebook)
    }


def compared(notebook: NotebookNode) -> list[NotebookNode]:
    """The code cells whose output is the same on each run."""
    tags = [cell.metadata.get("tags", []) for cell in notebook.cells]
    return [
        cell
        for cell, its in zip(notebook.cells, tags, strict=True)
        if cell.cell_type == "code" and VARIES not in its
    ]


def _is_over(output: NotebookNode) -> bool:
    """Whether it is what a bar of progress leaves: an output with nothing in it."""
    return output["output_type"] == "display_data" and not output["data"]


def _lasting(output: NotebookNode) -> NotebookNode:
    """An output without what belongs to one run: its number, its metadata, the widget's model."""
    kept = {key: value for key, value in output.items() if key not in ("execution_count", "metadata")}
    if "data" in kept:
        kept["data"] = {mime: value for mime, value in kept["data"].items() if mime != WIDGET}
        kept["metadata"] = {}
    if kept["output_type"] == "execute_result":
        kept["execution_count"] = None
    if kept["output_type"] == "stream":
        # The first run of a cell writes its file, a later one writes over it.
        kept["text"] = re.sub(r"^Overwriting ", "Writing ", kept["text"])
    return NotebookNode(kept)


def run_and_keep(path: Path) -> bool:
    """Run a notebook and write what it shows; whether the file has changed."""
    before, after = read_kept(path), run(path)
    for id_, outputs in after.items():
        if sanitize(str(before.get(id_))) == sanitize(str(outputs)):
            after[id_] = before[id_]
    if after == before:
        return False
    write_kept(path, after)
    return True


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
    parser.add_argument("what", nargs="*", help="`run` also executes; then beginnings of names, such as 05")
    parser.add_argument(
        "--check", action="store_true", help="change nothing; fail where something would change"
    )
    options = parser.parse_args(arguments)
    code = 0
    for path in chosen([name for name in options.what if name != "run"]):
        name = path.relative_to(ROOT)
        text = text_of(tidy(read(path), links(path.stem, path.parent)))
        if text != path.read_text(encoding="utf-8"):
            if options.check:
                print(f"{name}: `python tools/notebooks.py` would change it", file=sys.stderr)
                code = 1
                continue
            path.write_text(text, encoding="utf-8")
            print(f"{name}: tidied")
        if "run" in options.what:
            code |= _told(path)
    return code


def _told(path: Path) -> int:
    try:
        changed = run_and_keep(path)
    except CellExecutionError as error:
        print(f"{path.relative_to(ROOT)}: a cell failed, nothing is kept\n{error}", file=sys.stderr)
        return 1
    print(f"{kept_in(path).relative_to(ROOT)}: {'written' if changed else 'as before'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
