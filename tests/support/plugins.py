"""Packages that bring wire shapes, installed into a folder as a package manager would."""

import tomllib
from pathlib import Path

GROUP = "sluice.wires"
EXAMPLE = Path(__file__).with_name("plugin_wire")


def install(folder: Path, name: str, entry: str, source: str) -> None:
    """A package of one module, ``name.py``, whose entry point ``entry`` is ``shape = module:object``."""
    (folder / f"{name}.py").write_text(source)
    facts = folder / f"{name}-1.0.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(f"[{GROUP}]\n{entry}\n")


def install_example(folder: Path) -> None:
    """The example of the docs, as its pyproject.toml says."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text())["project"]
    [(shape, place)] = project["entry-points"][GROUP].items()
    install(folder, "say_wire", f"{shape} = {place}", (EXAMPLE / "say_wire.py").read_text())
