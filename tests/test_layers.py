"""The layers of labhelpers: imports point one way, one place knows moto, notebooks see only the front."""

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "labhelpers"

# The order, lowest first: a module may import its own layer and those listed before it, never one listed later.
# A name stands for the module or for all of the package; the longest name that fits a module decides.
LAYERS = (
    ("errors", "model", "limits", "packed", "pricing", "progress", "records"),
    ("journal", "clock", "deadlines", "eager", "events", "metrics", "routing", "iam"),
    ("processes",),
    ("functions",),
    ("triggers", "database", "gateway"),
    ("cloud",),
    ("environment_variables",),
    ("follower", "cell_progress"),
    ("lab",),
    ("course", "views"),
    # Where a person or a process comes in: these start whatever is asked for.
    ("__init__", "__main__", "cloud.__main__", "cloud.command_line"),
)

# moto's internals are known here and nowhere else.
MOTO_BRIDGE = "cloud.moto_bridge"

Walk = Callable[[ast.AST], Iterator[ast.AST]]


def layer_of(module: str) -> int | None:
    """The layer of a module named without `labhelpers.`; `__init__` is the package itself. None: not in the list."""
    fitting = [
        (len(name), level)
        for level, names in enumerate(LAYERS)
        for name in names
        if module == name or module.startswith(name + ".")
    ]
    return max(fitting)[1] if fitting else None


def at_load(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is loaded: outside functions, and outside `if TYPE_CHECKING`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        yield from at_load(node)


def imports(tree: ast.AST, package: str = "", walk: Walk = ast.walk) -> Iterator[tuple[str, int]]:
    """Every imported name, dotted, with its line, also inside functions; `package` resolves relative imports."""
    for node in walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            origin = ".".join([*parents, *([node.module] if node.module else [])])
            # `from labhelpers.functions import pool` imports a module or a name: each reading is a dotted name.
            yield from ((f"{origin}.{alias.name}", node.lineno) for alias in node.names)


def sources() -> dict[str, Path]:
    """Module name without `labhelpers.` -> file, for all modules of the package."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)
        found[module] = path
    return found


def inner_imports(
    module: str, path: Path, known: dict[str, Path], walk: Walk = ast.walk
) -> Iterator[tuple[str, int]]:
    """Modules of this package that one module imports, named without `labhelpers.`, each with its line."""
    is_package = path.name == "__init__.py"
    dotted = "labhelpers" if module == "__init__" else f"labhelpers.{module}"
    package = dotted if is_package else dotted.rpartition(".")[0]
    for name, line in imports(ast.parse(path.read_text(encoding="utf-8"), str(path)), package, walk):
        if name != "labhelpers" and not name.startswith("labhelpers."):
            continue
        inner = name.removeprefix("labhelpers").removeprefix(".")
        # The longest part that is a module; the rest is a name in it.
        while inner and inner not in known:
            inner = inner.rpartition(".")[0]
        yield inner or "__init__", line


def offences(known: dict[str, Path]) -> list[str]:
    """Imports that climb, and modules that the list does not know, one line each."""
    found = []
    for module, path in known.items():
        own = layer_of(module)
        if own is None:
            found.append(f"{path}: {module} has no layer: put it into LAYERS in {Path(__file__).name}")
            continue
        for imported, line in inner_imports(module, path, known):
            other = layer_of(imported)
            if other is not None and other > own:
                found.append(
                    f"{path}:{line}: {module} (layer {own + 1}) imports {imported} (layer {other + 1})"
                )
    return found


def test_no_module_imports_a_higher_layer() -> None:
    """Every module is in the list, and imports only its own layer and lower ones."""
    assert not offences(sources())


def test_climbing_import_is_found(tmp_path: Path) -> None:
    """The rule sees an import inside a function, a relative one, and a module that the list does not know."""
    low = tmp_path / "errors.py"
    low.write_text("def late():\n    from . import lab\n")
    other = tmp_path / "mystery.py"
    other.write_text("")
    known = {"errors": low, "lab": tmp_path / "lab.py", "mystery": other}
    (tmp_path / "lab.py").write_text("import labhelpers.errors\n")
    found = offences(known)
    assert len(found) == 2
    level = layer_of("lab")
    assert level is not None
    assert f"errors (layer 1) imports lab (layer {level + 1})" in found[0]
    assert "mystery has no layer" in found[1]


def test_imports_have_no_cycle() -> None:
    """Within a layer too, what a module imports when it is loaded never leads back to it."""
    known = sources()
    graph = {
        module: {name for name, _ in inner_imports(module, path, known, at_load)} - {module}
        for module, path in known.items()
    }
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, f"import cycle: {' -> '.join([*trail[trail.index(module) :], module])}"
        if module not in done:
            for imported in sorted(graph[module]):
                visit(imported, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_only_the_bridge_imports_moto() -> None:
    """What moto changes inside breaks one place."""
    strangers = [
        f"{path}:{line}: imports {name}"
        for module, path in sources().items()
        if not module.startswith(MOTO_BRIDGE)
        for name, line in imports(ast.parse(path.read_text(encoding="utf-8"), str(path)))
        if name.split(".")[0] == "moto"
    ]
    assert not strangers


def notebook_code(path: Path) -> Iterator[tuple[int, str]]:
    """The Python of each code cell with its number; without IPython's lines (`%`, `!`) and cells (`%%`)."""
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"], start=1):
        text = "".join(cell["source"])
        if cell["cell_type"] == "code" and not text.lstrip().startswith("%%"):
            yield (
                number,
                "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in text.splitlines()),
            )


def public_names() -> set[str]:
    """`labhelpers.__all__`, read without importing it."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    for node in tree.body:
        target = node.target if isinstance(node, ast.AnnAssign) else getattr(node, "targets", [None])[0]
        if isinstance(target, ast.Name) and target.id == "__all__":
            return set(ast.literal_eval(node.value))  # type: ignore[attr-defined]
    raise AssertionError("labhelpers has no __all__")


def notebook_offences(path: Path, public: set[str]) -> list[str]:
    """Imports in a notebook that reach behind `labhelpers`, one line each."""
    found = []
    for number, code in notebook_code(path):
        for name, _ in imports(ast.parse(code, f"{path.name} cell {number}")):
            package, _, rest = name.partition(".")
            # `import labhelpers` has no rest; `from labhelpers import Lab` has a public one.
            if package == "moto" or (package == "labhelpers" and rest and rest not in public):
                found.append(f"{path.name}, cell {number}: imports {name}")
    return found


def test_notebooks_import_only_the_front() -> None:
    """A notebook imports from `labhelpers` itself, so that all behind it may change."""
    public = public_names()
    notebooks = sorted((ROOT / "notebooks").glob("**/*.ipynb"))
    assert not [line for path in notebooks for line in notebook_offences(path, public)]


@pytest.mark.parametrize(
    ("code", "allowed"),
    [
        ("%matplotlib inline\n!ls\nfrom labhelpers import Lab", True),
        ("import labhelpers", True),
        ("%%writefile handler.py\nimport moto", True),
        ("from labhelpers.lab import Lab", False),
        ("import labhelpers.lab", False),
        ("from labhelpers import lab", False),
        ("def f():\n    from moto import mock_aws", False),
    ],
)
def test_import_behind_the_front_is_found(tmp_path: Path, code: str, allowed: bool) -> None:
    """The rule knows the front from what is behind it, and leaves IPython's own lines alone."""
    path = tmp_path / "00.ipynb"
    path.write_text(json.dumps({"cells": [{"cell_type": "code", "source": code.splitlines(keepends=True)}]}))
    assert (notebook_offences(path, {"Lab"}) == []) is allowed


def test_handlers_import_nothing_of_the_lab() -> None:
    """A handler of the course runs on AWS as it is: it knows neither labhelpers nor moto."""
    found = [
        f"{path}:{line}: imports {name}"
        for path in sorted((ROOT / "notebooks").glob("functions/**/*.py"))
        for name, line in imports(ast.parse(path.read_text(encoding="utf-8"), str(path)))
        if name.split(".")[0] in {"labhelpers", "moto"}
    ]
    assert not found
