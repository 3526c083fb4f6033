"""`simplug new-plugin`: a plugin package that installs, and passes its conformance suite, as it is written."""

from __future__ import annotations

import keyword
import re
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

import attrs
import click

from simplug.cli.kind_parameter import to_kind
from simplug.kernel.artifacts import staged_folder
from simplug.kernel.entries import NAME_PATTERN, canonical
from simplug.kernel.errors import ArtifactError, SimplugError
from simplug.kernel.kinds import Kind
from simplug.kernel.registry import registry_of

_DISTRIBUTION = re.compile(r"[A-Za-z][A-Za-z0-9]*([-_.][A-Za-z0-9]+)*")
_PREFIX = re.compile(r"simplug[-_.]")


@attrs.frozen
class Names:
    """What the parts of a new package are called.

    Attributes:
        distribution: The name that is installed, and the name of the folder.
        package: The import package.
        component: The name that configs use, and the module of the class.
        cls: The class.
    """

    distribution: str
    package: str
    component: str
    cls: str

    @classmethod
    def of(cls, name: str) -> Names:
        """Derive all names from that of the distribution.

        Raises:
            SimplugError: It is no name of a distribution, or no Python package can be called so.
        """
        if not _DISTRIBUTION.fullmatch(name):
            raise SimplugError(
                f"'{name}' is no name for a package: it is letters and digits, from a letter, with single "
                "'-', '_' or '.' between them, such as simplug-hello"
            )
        package = re.sub(r"[-.]", "_", name).lower()
        component = _PREFIX.sub("", name, count=1).lower()
        component = re.sub(r"[-.]", "_", component)
        for part in (package, component):
            _require_python_name(name, part)
        if package in sys.stdlib_module_names or package in ("simplug", "tests"):
            raise SimplugError(
                f"'{name}' cannot be imported as a package, because there is a module '{package}' already; "
                f"choose another name, such as simplug-{name}"
            )
        return cls(name, package, component, "".join(part.capitalize() for part in component.split("_")))


def _require_python_name(name: str, part: str) -> None:
    if not NAME_PATTERN.fullmatch(part):
        raise SimplugError(f"'{name}' gives the name '{part}', which does not begin with a letter; choose another name")
    if keyword.iskeyword(part) or keyword.issoftkeyword(part) or keyword.iskeyword(part.capitalize()):
        raise SimplugError(f"'{name}' gives the name '{part}', which is a word of Python itself; choose another name")


def write_plugin(name: str, kind: str, out: Path) -> Path:
    """Write a plugin package with one component.

    Args:
        name: The name of the distribution, such as ``simplug-hello``; the component is called ``hello``.
        kind: The kind of the component, in the singular.
        out: The folder in which the package's own folder is made; it is made, too, if need be.

    Returns:
        The folder of the package.

    Raises:
        SimplugError: The name cannot be used, or another distribution has a component of this kind and name.
        ArtifactError: The folder exists, or cannot be written; nothing was written.
    """
    names, chosen = Names.of(name), registry_of(kind).kind
    for entry in registry_of(kind).entries():
        if entry.name == names.component and canonical(entry.distribution) != canonical(name):
            raise SimplugError(f"{kind} '{names.component}' is taken by {entry.provider}; choose another name")
    folder = out / names.distribution
    if folder.exists():
        raise ArtifactError(f"{folder} exists; choose another name, or another folder with --out")
    texts = _texts(names, chosen)
    with staged_folder(folder) as staging:
        for path, text in texts.items():
            (staging / path).parent.mkdir(parents=True, exist_ok=True)
            (staging / path).write_text(text, encoding="utf-8")
    return folder


def _texts(names: Names, kind: Kind) -> dict[str, str]:
    """Return the text of every file by its path in the package."""
    templates = files("simplug.cli") / "templates"
    article = "an" if kind.name[0] in "aeiou" else "a"
    placeholders = {
        "distribution": names.distribution,
        "package": names.package,
        "component": names.component,
        "cls": names.cls,
        "kind": kind.name,
        "a_kind": f"{article} {kind.name}",
        "group": kind.group,
        "contract": kind.contract,
        "summary": kind.summary,
        "section": _EXAMPLES[kind.name].format(name=names.component),
    }
    package = f"src/{names.package}"
    sources = {
        "pyproject.toml": templates / "pyproject.toml.template",
        "README.md": templates / "README.md.template",
        f"{package}/__init__.py": templates / "init.py.template",
        f"{package}/{names.component}.py": templates / "components" / f"{kind.name}.py.template",
        f"{package}/py.typed": templates / "py.typed.template",
        "tests/test_conformance.py": templates / "test_conformance.py.template",
    }
    return {path: _filled(source, placeholders) for path, source in sources.items()}


def _filled(source: Traversable, placeholders: dict[str, str]) -> str:
    return Template(source.read_text(encoding="utf-8")).substitute(placeholders)


_EXAMPLES = {
    "loss": '[loss]\nname = "{name}"',
    "distance": '[loss]\nname = "contrastive"\ndistance = "{name}"',
    "miner": '[loss]\nname = "contrastive"\nminer = "{name}"',
    "reducer": '[loss]\nname = "contrastive"\nreducer = "{name}"',
    "regularizer": '[loss]\nname = "contrastive"\nregularizer = "{name}"\nregularizer_weight = 0.1',
    "sampler": '[sampler]\nname = "{name}"',
    "augmenter": '[augmenter]\nname = "{name}"',
    "dataset": '[dataset]\nname = "{name}"',
    "backbone": '[backbone]\nname = "{name}"',
    "search": '[index]\nsearch = "{name}"',
    "store": '[index]\nstore = "{name}"',
    "matcher": '[calibrate]\nmatcher = "{name}"',
    "metric": '[evaluate]\nmetrics = ["{name}"]',
}
"""Where a component of each kind stands in a config."""


@click.command("new-plugin")
@click.argument("name")
@click.option("--kind", default="loss", show_default=True, callback=to_kind, help="The kind of the component in it.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="Where the package's folder is made; here by default.",
)
def new_plugin(name: str, kind: str, out: Path) -> None:
    """Write a plugin package that installs and passes its conformance suite.

    NAME is the name of the distribution, such as simplug-hello; its component is then called hello.
    """
    folder = write_plugin(name, kind, out)
    click.echo(f"wrote {folder}: the {kind} '{Names.of(name).component}', to be replaced by yours")
    click.echo(f"\n  pip install -e {folder}\n  pytest {folder}\n  simplug show {kind} {Names.of(name).component}")
