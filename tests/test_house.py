"""The house rules: who may import whom, what an import costs, and where a name may be written."""

from __future__ import annotations

import ast
import functools
import re
import resource
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path

import attrs
import pytest

import simplug
from simplug.kernel.component import Component
from simplug.kernel.entries import scan
from simplug.kernel.kinds import HOOK_GROUP, KINDS

ROOT = Path(__file__).parents[1]
PLUGINS = sorted(folder.name for folder in (ROOT / "plugins").iterdir() if (folder / "__init__.py").is_file())
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

DECLARED = [
    (group.removeprefix("simplug."), name, target)
    for group, points in PYPROJECT["project"]["entry-points"].items()
    if group in {kind.group for kind in KINDS.values()}
    for name, target in points.items()
]
"""The components that pyproject.toml declares: kind in the plural, name and target."""

ALLOWED = {
    "kernel": {"kernel"},
    "api": {"api", "kernel"},
    "evaluation": {"evaluation", "api", "kernel"},
    "index": {"index", "evaluation", "api", "kernel"},
    "learn": {"learn", "api", "kernel", "index", "evaluation"},
    "plots": {"plots", "evaluation", "api", "kernel"},
    "experiment": {"experiment", "plots", "learn", "index", "evaluation", "api", "kernel"},
    "testing": {"testing", "learn", "index", "api", "kernel"},
    "cli": {"cli", "experiment", "learn", "index", "evaluation", "api", "kernel"},
    "__init__": {
        "kernel",
        "api",
        "index",
        "evaluation",
        "plots",
        "learn",
        "experiment",
        "heads",
        "callbacks",
        "layers",
        "reranking",
    },
    "__main__": {"cli"},
    "heads": {"learn", "kernel"},
    "callbacks": {"learn", "kernel"},
    "layers": {"api"},
    "reranking": {"index"},
}
"""The parts of simplug that each part may import, wherever in a file the import stands."""

HEAVY = {
    "PIL", "hnswlib", "jax", "keras", "lmdb", "matplotlib", "pandas", "rich", "scipy", "sklearn", "tensorflow", "torch"
}  # fmt: skip
"""What the module of a component, the kernel, the contracts and the command line do not import at module level."""

KERAS = {"keras", "tensorflow", "jax", "torch"}


def sources(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*.py") if "__pycache__" not in file.parts)


OWN = sources(ROOT / "simplug")
FIRST_PARTY = [file for name in PLUGINS for file in sources(ROOT / "plugins" / name)]


def identify(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def imported(nodes: Iterator[ast.AST]) -> set[str]:
    """Return the dotted names that import statements bring in; ``from a import b`` counts as ``a.b``."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute, so that they can be read"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@functools.cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@functools.cache
def all_imports(file: Path) -> set[str]:
    return imported(ast.walk(parsed(file)))


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def at_run_time(tree: ast.AST, *, functions: bool) -> Iterator[ast.AST]:
    """Walk a tree without what only type checkers read and, unless `functions`, without the bodies of functions."""
    for child in ast.iter_child_nodes(tree):
        if is_type_checking(child):
            yield from at_run_time(ast.Module(child.orelse, []), functions=functions)
            continue
        if not functions and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        yield child
        yield from at_run_time(child, functions=functions)


@functools.cache
def imports_at_module_level(file: Path) -> set[str]:
    return imported(at_run_time(parsed(file), functions=False))


@functools.cache
def imports_at_run_time(file: Path) -> set[str]:
    return imported(at_run_time(parsed(file), functions=True))


def roots(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def offences(files: list[Path], found_in: Callable[[Path], set[str]]) -> dict[str, set[str]]:
    """Return what breaks a rule, by the file in which it was found."""
    return {identify(file): found for file in files if (found := found_in(file))}


def test_a_part_of_simplug_imports_only_the_parts_it_may():
    public = {kind.plural for kind in KINDS.values()} | {"Index", "SimilarityModel", "load", "save", "plugins"}

    def forbidden(file):
        part = file.relative_to(ROOT / "simplug").parts[0].removesuffix(".py")
        used = {name.split(".")[1] for name in all_imports(file) if name.startswith("simplug.")}
        return used - ALLOWED[part] - (public if part in ("learn", "experiment", "cli", "testing") else set())

    assert offences(OWN, forbidden) == {}


def plugin_packages(file):
    return {name for name in roots(all_imports(file)) if name.startswith("simplug_")}


def test_simplug_imports_no_plugin_package():
    assert offences(OWN, plugin_packages) == {}


def test_the_kernel_needs_attrs_pluggy_and_metadata_alone():
    allowed = {"attrs", "pluggy", "importlib_metadata", "packaging", "tomlkit", "simplug", "__future__"}
    kernel = [file for file in OWN if "kernel" in file.parts]
    assert kernel
    assert (
        offences(kernel, lambda file: roots(imports_at_run_time(file)) - set(sys.stdlib_module_names) - allowed) == {}
    )


def test_the_index_never_imports_keras():
    index = [file for file in OWN if "index" in file.parts]
    assert index
    assert offences(index, lambda file: roots(imports_at_run_time(file)) & KERAS) == {}


LIGHT_COMMANDS = ("__init__", "main", "init", "check", "plugins", "show", "schema", "kind_parameter")
LIGHT = [
    file
    for file in OWN
    if file.parent.name in ("kernel", "api", "scanning", "index")
    or (file.parent.name == "cli" and file.stem in LIGHT_COMMANDS)
]


def heavy_at_module_level(file):
    return roots(imports_at_module_level(file)) & HEAVY


def test_the_light_parts_import_nothing_heavy_at_module_level():
    assert offences(LIGHT, heavy_at_module_level) == {}


KERAS_LAYERS = "simplug.api.layers"
"""The part of the contracts that imports Keras."""


def test_the_layers_of_the_contracts_are_imported_inside_of_functions():
    def layers(file):
        names = imports_at_module_level(file)
        return {name for name in names if name == KERAS_LAYERS or name.startswith(f"{KERAS_LAYERS}.")}

    assert offences([*LIGHT, *FIRST_PARTY], layers) == {}


def test_a_plugin_imports_the_contracts_and_its_own_package_alone():
    def outside(file):
        inside = {name for name in all_imports(file) if name.partition(".")[0] == "simplug"}
        private = {name for name in inside if not name.startswith("simplug.api")}
        return private | (plugin_packages(file) - {file.relative_to(ROOT / "plugins").parts[0]})

    assert offences(FIRST_PARTY, outside) == {}


def test_the_module_of_a_component_imports_nothing_heavier_than_numpy():
    modules = {target.partition(":")[0] for _, _, target in DECLARED}
    files = [ROOT / "plugins" / f"{module.replace('.', '/')}.py" for module in sorted(modules)]
    assert offences(files, heavy_at_module_level) == {}


def test_importing_simplug_imports_neither_numpy_nor_keras_nor_any_plugin(python):
    done = python(
        "import sys, simplug\n"
        "names = {name.partition('.')[0] for name in sys.modules}\n"
        "heavy = {'numpy', 'keras', 'tensorflow', 'pluggy', 'click', 'importlib_metadata'}\n"
        "print(sorted(name for name in names if name in heavy or name.startswith('simplug_')))\n"
    )
    assert done.stdout == "[]\n", done.stderr


def processor_seconds(code: str) -> float:
    """Return the processor time of the best of several runs of `code`, which a busy machine changes little."""
    seconds = []
    for _ in range(7):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(seconds)


def test_importing_simplug_costs_less_than_100_ms_beyond_the_interpreter():
    assert processor_seconds("import simplug") - processor_seconds("pass") < 0.1


def test_the_package_has_a_registry_of_each_kind_and_no_other_names():
    assert {kind.plural for kind in KINDS.values()} <= set(simplug.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'loses'"):
        _ = simplug.loses


@pytest.mark.parametrize(
    "name", ["simplug", *(f"simplug.{part}" for part in ("callbacks", "evaluation", "plots", "testing"))]
)
def test_names_that_are_loaded_when_they_are_first_used_are_those_that_type_checkers_know(name):
    module = import_module(name)
    (branch,) = filter(is_type_checking, ast.parse(Path(module.__file__).read_text(encoding="utf-8")).body)
    imports = {alias.asname for node in branch.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    declared = {node.target.id for node in branch.body if isinstance(node, ast.AnnAssign)}
    assert {*imports, *declared} - {None, "__version__"} == set(module.__all__) <= set(dir(module))
    assert all(getattr(module, name) is not None for name in set(module.__all__) - {"SimilarityModel"})


def test_no_module_is_a_drawer():
    drawers = {"utils", "util", "helpers", "helper", "common", "misc", "tools"}
    files = [*OWN, *FIRST_PARTY, *sources(ROOT / "tests"), *sources(ROOT / "benchmarks")]
    assert not [identify(file) for file in files if drawers & {file.stem, *file.parent.relative_to(ROOT).parts}]


def test_a_group_is_named_in_one_place_alone():
    pattern = re.compile(r"""["']simplug\.(losses|distances|hooks|metrics|stores|searches|datasets|samplers)["']""")
    found = {identify(file) for file in [*OWN, *FIRST_PARTY] if pattern.search(file.read_text(encoding="utf-8"))}
    assert found <= {"simplug/kernel/kinds.py"}


def test_no_file_is_read_by_running_it():
    def unsafe(file):
        calls = [node for node in ast.walk(parsed(file)) if isinstance(node, ast.Call)]
        loads = [ast.unparse(call) for call in calls if ast.unparse(call.func) in ("np.load", "numpy.load")]
        return {
            *(roots(all_imports(file)) & {"pickle", "cloudpickle", "dill", "shelve", "marshal", "joblib"}),
            *re.findall(r"allow_pickle\s*=\s*True", file.read_text(encoding="utf-8")),
            *(call.func.id for call in calls if isinstance(call.func, ast.Name) and call.func.id in ("eval", "exec")),
            *(load for load in loads if "allow_pickle=False" not in load),
        }

    assert offences([*OWN, *FIRST_PARTY], unsafe) == {}


def test_the_installed_entry_points_are_those_of_pyproject():
    installed = {
        (kind.plural, entry.name, entry.target)
        for kind in KINDS.values()
        for entry in scan().open.get(kind.group, ())
        if entry.distribution == "simplug"
    }
    assert installed == set(DECLARED), "install simplug again: pyproject.toml has changed since"


def test_an_entry_point_is_a_component():
    classes = [(plural, name, getattr(simplug, plural).get(name)) for plural, name, _ in DECLARED]
    assert [(plural, name, f"{cls.__module__}:{cls.__qualname__}") for plural, name, cls in classes] == DECLARED


def test_entry_points_are_sorted_in_pyproject():
    for group, points in PYPROJECT["project"]["entry-points"].items():
        assert list(points) == sorted(points), group


def test_every_component_class_of_a_plugin_has_exactly_one_entry_point():
    classes = {
        f"{cls.__module__}:{cls.__qualname__}"
        for file in FIRST_PARTY
        if not roots(imports_at_module_level(file)) & HEAVY
        for cls in vars(import_module(".".join(file.relative_to(ROOT / "plugins").with_suffix("").parts))).values()
        if isinstance(cls, type)
        and issubclass(cls, Component)
        and cls.__module__.startswith("simplug_")
        and attrs.has(cls)
        and not getattr(cls, "__abstractmethods__", None)
    }
    targets = [target for _, _, target in DECLARED]
    assert classes == set(targets)
    assert len(targets) == len(set(targets))


def test_the_group_of_hooks_is_declared_in_the_table_of_kinds():
    assert HOOK_GROUP == "simplug.hooks"
    assert all(
        name in {*(kind.group for kind in KINDS.values()), HOOK_GROUP, "pytest11"}
        for name in PYPROJECT["project"]["entry-points"]
    )
