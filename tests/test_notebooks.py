"""The notebooks keep the house rules, and the tool that tidies them does what it says."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from tests.kept_outputs import load_tool

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
ALT_TEXTS: dict[str, str] = json.loads((ROOT / "Images" / "alt.json").read_text(encoding="utf-8"))
IMAGE = re.compile(r"!\[((?:[^\]\\]|\\.)*)\]\(([^)\s]+)\)")
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
# What makes a failing cell look well.
HIDING = (
    "NBVAL_",
    "%%capture",
    "2>/dev/null",
    "|| true",
    "suppress(",
    "filterwarnings",
    "simplefilter",
    "--no-raise-error",
)
TAGS = {"nbval-ignore-output", "links"}
KEPT_BYTES_MAX = 400_000


tool = load_tool()
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    """In their order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose(notebook: NotebookNode) -> str:
    """All that is written between the code."""
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def form_offences(notebook: NotebookNode) -> Iterator[str]:
    """How a lesson is laid out: heading, goals, time, size, set-up, recap, end."""
    titles = re.findall(
        r"^# .+", re.sub(r"```.*?```", "", prose(notebook), flags=re.DOTALL), flags=re.MULTILINE
    )
    first = notebook.cells[0]
    if len(titles) != 1 or not first.source.startswith("# "):
        yield f"has {len(titles)} H1, and its first cell must begin with the one"
    if (
        not 2 <= len(re.findall(r"^- ", first.source, flags=re.MULTILINE)) <= 4
        or "**Goals**" not in first.source
    ):
        yield "its first cell has no **Goals** in 2 to 4 bullets"
    if not re.search(r"^\*\*Time:\*\* about \d+ minutes", first.source, flags=re.MULTILINE):
        yield "its first cell has no line `**Time:** about N minutes`"
    if not 16 <= len(notebook.cells) <= 48:
        yield f"has {len(notebook.cells)} cells, not 16 to 48"
    if sum(len(re.findall(r"\bLab\([^)]*\)", cell.source)) for cell in code_cells(notebook)) != 1:
        yield "starts not exactly one Lab()"
    if not re.search(r"^## What you saw", notebook.cells[-3].source):
        yield "does not end with `## What you saw`, a cell that closes the lab, and the links"
    if "lab.close()" not in notebook.cells[-2].source:
        yield "the cell before the links does not close the lab"


def cell_offences(notebook: NotebookNode) -> Iterator[str]:
    """How a code cell is: short, told about, and with nothing that hides a failure."""
    code_in_a_row = 0
    for number, cell in enumerate(notebook.cells):
        code_in_a_row = code_in_a_row + 1 if cell.cell_type == "code" else 0
        if code_in_a_row > 2:
            yield f"cell {number}: the third code cell in a row; say why before each step"
        if unknown := set(cell.metadata.get("tags", [])) - TAGS:
            yield f"cell {number}: tags {unknown}; only {TAGS} are used"
        if cell.cell_type != "code":
            continue
        if len(cell.source.splitlines()) > 15:
            yield f"cell {number}: {len(cell.source.splitlines())} lines, over 15"
        yield from (f"cell {number}: {word!r} hides failures" for word in HIDING if word in cell.source)
        yield from (f"cell {number}: {text}" for text in silent_excepts(cell.source))


def silent_excepts(source: str) -> Iterator[str]:
    """`except` clauses that catch too much, or show nothing of what they caught."""
    written = re.match(r"%%writefile\s+\S+?(\.\w+)?\s*\n", source)
    if written and written[1] != ".py":
        return  # A file in another language.
    plain = re.sub(r"^%%.*\n|^[%!].*", "", source, flags=re.MULTILINE)
    for node in ast.walk(ast.parse(plain)):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else ""
            if caught in {"", "Exception", "BaseException"}:
                yield f"`except {caught}` catches too much"
            if node.name is None or not any(
                isinstance(n, ast.Name) and n.id == node.name for n in ast.walk(node)
            ):
                yield f"`except {caught}` does not show what it caught"


def picture_offences(notebook: NotebookNode, folder: Path) -> Iterator[str]:
    """Pictures exist and have the alt text of Images/alt.json; links to files of this repository lead somewhere."""
    text = prose(notebook)
    for alt, target in IMAGE.findall(text):
        if ALT_TEXTS.get(Path(target).stem) != alt:
            yield f"{target}: its alt text is not that of Images/alt.json"
    if "<img" in text:
        yield "an <img> tag; write ![alt text](file)"
    for target in [*LINK.findall(text), *(target for _, target in IMAGE.findall(text))]:
        if (
            "://" not in target
            and not target.startswith("#")
            and not (folder / target.partition("#")[0]).exists()
        ):
            yield f"{target}: there is no such file"


def offences(path: Path) -> list[str]:
    """Every rule that a notebook breaks, one line each."""
    notebook = tool.read(path)
    found = [*form_offences(notebook), *cell_offences(notebook), *picture_offences(notebook, path.parent)]
    return [f"{path.name}: {text}" for text in found]


def test_course_has_notebooks() -> None:
    """There are notebooks, and the course's list knows each."""
    assert NOTEBOOKS
    assert {path.stem for path in NOTEBOOKS} <= set(tool.COURSE)


@each_notebook
def test_notebook_keeps_the_house_rules(path: Path) -> None:
    """Form, cells and pictures of a lesson are as the house rules say."""
    assert not offences(path)


@each_notebook
def test_notebook_is_tidy(path: Path) -> None:
    """`python tools/notebooks.py` would change nothing."""
    assert tool.text_of(tool.tidy(tool.read(path), tool.links(path.stem))) == path.read_text(encoding="utf-8")


@each_notebook
def test_outputs_are_kept(path: Path) -> None:
    """What each cell shows is kept for nbval (`tools/notebooks.py run`), and none of it is a traceback."""
    kept = tool.read_kept(path)
    assert set(kept) == {cell.id for cell in tool.compared(tool.read(path))}
    assert not [id_ for id_, outputs in kept.items() if any(o.output_type == "error" for o in outputs)]


@each_notebook
def test_outputs_show_nothing_of_their_makers_machine(path: Path) -> None:
    """Kept outputs are small, and name no folder of the machine that ran them."""
    text = tool.kept_in(path).read_text(encoding="utf-8")
    assert len(text) < KEPT_BYTES_MAX
    assert str(ROOT) not in text
    assert str(Path.home()) + "/" not in text


def lesson(*cells: NotebookNode) -> NotebookNode:
    """A notebook of these cells."""
    return nbformat.v4.new_notebook(cells=list(cells))


def run_cell(source: str, *outputs: NotebookNode, tags: tuple[str, ...] = ()) -> NotebookNode:
    """A code cell as it is after it was run."""
    metadata = {"tags": list(tags)} if tags else {}
    return nbformat.v4.new_code_cell(source, outputs=list(outputs), execution_count=7, metadata=metadata)


def shown(**data: str) -> NotebookNode:
    """The output of a last expression: `text_plain` stands for text/plain."""
    mime = {name.replace("_", "/", 1): value for name, value in data.items()}
    return nbformat.v4.new_output("execute_result", data=mime, execution_count=7)


def test_rules_find_what_breaks_them() -> None:
    """A cell that hides a failure, a long one, one never run, a wrong tag and a wrong alt text are all named."""
    bad = lesson(
        nbformat.v4.new_markdown_cell("## No title\n![a picture](../Images/1a.png)"),
        run_cell("try:\n    f()\nexcept Exception:\n    pass"),
        run_cell("try:\n    f()\nexcept KeyError as error:\n    pass"),
        nbformat.v4.new_code_cell("\n".join("x" * 16)),
        run_cell("!false || true", tags=("raises-exception",)),
    )
    said = "\n".join([*form_offences(bad), *cell_offences(bad), *picture_offences(bad, ROOT / "notebooks")])
    for part in (
        "has 0 H1",
        "no **Goals**",
        "about N minutes",
        "has 5 cells",
        "Lab()",
        "What you saw",
        "cell 1: `except Exception` catches too much",
        "cell 2: `except KeyError` does not show",
        "cell 3: 16 lines",
        "cell 3: the third code cell",
        "raises-exception",
        "'|| true' hides failures",
        "1a.png: its alt text",
    ):
        assert part in said


def test_caught_and_shown_error_is_fine() -> None:
    """An error that the lesson is about may be caught by its name and shown."""
    source = 'try:\n    f()\nexcept ClientError as error:\n    code = error.response["Error"]\ncode'
    assert not list(silent_excepts(source))


def test_tidying_twice_changes_nothing_more() -> None:
    """Tidying is idempotent, and cells keep their ids wherever they move."""
    notebook = lesson(nbformat.v4.new_markdown_cell("# One\n"), run_cell("1"), run_cell("1"))
    once = tool.tidy(notebook, "links")
    ids = [cell.id for cell in once.cells]
    assert len(set(ids)) == 4
    assert tool.text_of(tool.tidy(once, "links")) == tool.text_of(once)
    once.cells.insert(0, nbformat.v4.new_markdown_cell("new"))
    assert [cell.id for cell in tool.tidy(once, "links").cells][1:] == ids


def test_tidying_takes_out_what_a_run_left() -> None:
    """Outputs and numbers of a run go, and so do an editor's marks; tags stay."""
    cell = run_cell("meter", shown(text_plain="A meter: $0"), tags=("nbval-ignore-output",))
    cell.metadata["collapsed"] = True
    tidied = tool.tidy(lesson(nbformat.v4.new_markdown_cell("# One"), cell), "links").cells[1]
    assert tidied.outputs == []
    assert tidied.execution_count is None
    assert tidied.metadata == {"tags": ["nbval-ignore-output"]}


@pytest.fixture
def two_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A notebook with a steady and a varying cell, run and kept."""
    monkeypatch.setattr(tool, "OUTPUTS", tmp_path / "outputs")
    path = tmp_path / "00_start_here.ipynb"
    varying = run_cell("import time\ntime.time()", tags=("nbval-ignore-output",))
    first = nbformat.v4.new_markdown_cell("# One")
    nbformat.write(tool.tidy(lesson(first, run_cell('print("a\\nb")'), varying), ""), path)
    assert tool.run_and_keep(path)
    return path


def test_run_keeps_what_is_steady(two_cells: Path) -> None:
    """What a cell shows is kept by its id, unless it varies; a second run that shows the same changes nothing."""
    steady = tool.read(two_cells).cells[1]
    kept = tool.read_kept(two_cells)
    assert list(kept) == [steady.id]
    assert kept[steady.id][0].text == "a\nb\n"
    assert not tool.run_and_keep(two_cells)


@pytest.mark.parametrize("changed", [True, False])
def test_nbval_compares_with_what_is_kept(two_cells: Path, changed: bool) -> None:
    """A cell that shows something else than what was kept of it fails, although the notebook holds no outputs."""
    if changed:
        kept = tool.kept_in(two_cells)
        kept.write_text(kept.read_text(encoding="utf-8").replace('"b"', '"c"'), encoding="utf-8")
    # The plugin reads the tool's own folder: a copy of the tool, told of another one, stands in for it.
    program = (
        "import sys, pathlib, pytest; from tests.kept_outputs import load_tool;"
        "load_tool().OUTPUTS = pathlib.Path(sys.argv[1]).with_name('outputs');"
        "sys.exit(pytest.main(['-q', '-p', 'tests.kept_outputs', '--nbval', '--nbval-current-env', sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(two_cells)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == (1 if changed else 0), done.stdout + done.stderr
    assert ("Cell outputs differ" in done.stdout) == changed


def test_links_lead_to_the_neighbours_that_are_there(tmp_path: Path) -> None:
    """A notebook that is still to come is skipped; the first has none before it."""
    for stem, heading in (("00_start_here", "Start"), ("02_anatomy_of_a_function", "Anatomy")):
        nbformat.write(
            lesson(nbformat.v4.new_markdown_cell(f"# {heading}\nText")), tmp_path / f"{stem}.ipynb"
        )
    assert tool.links("00_start_here", tmp_path) == "---\n[Anatomy →](02_anatomy_of_a_function.ipynb)"
    assert "[← Start](00_start_here.ipynb)" in tool.links("02_anatomy_of_a_function", tmp_path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "REPORT RequestId: 5f0c5f0e-7b3c-4b0e-8f5e-0d6a3f3f9a11\tDuration: 2.37 ms\tMax Memory Used: 33 MB",
            "REPORT RequestId: 11111111-2222-4333-8444-555555555555\tDuration: 812.00 ms\tMax Memory Used: 9 MB",
        ),
        ("2026/11/25/[$LATEST]" + "0" * 32, "2027/01/01/[$LATEST]" + "a" * 32),
        ("2026-11-25T18:00:00.123Z", "2026-12-01 08:11:59+00:00"),
        ("http://127.0.0.1:4566/x", "http://127.0.0.1:39111/x"),
        ("Overwriting my_work/a.py", "Writing my_work/a.py"),
        ("process 12", "process 4711"),
    ],
)
def test_what_varies_is_not_compared(one: str, other: str) -> None:
    """Two outputs that differ by ids, times, durations or ports are the same to nbval."""
    assert tool.sanitize(one) == tool.sanitize(other)


@pytest.mark.parametrize(
    "text", ["Billed nothing", "Memory Size: 128 MB", "2 words", "arn:aws:lambda:us-east-1"]
)
def test_what_is_said_is_compared(text: str) -> None:
    """Plain words and settings are left as they are."""
    assert tool.sanitize(text) == text


def test_sanitize_file_is_read_as_nbval_reads_it() -> None:
    """Both find the same pairs in the file."""
    from nbval.plugin import get_sanitize_patterns

    pairs = get_sanitize_patterns(tool.SANITIZE.read_text(encoding="utf-8"))
    assert [(pattern.pattern, replacement) for pattern, replacement in tool.sanitizer()] == pairs
    assert len(pairs) >= 10
