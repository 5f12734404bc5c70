"""A folder that is read over and over: what changed, and only that, is read again."""

import os
from pathlib import Path

import pytest

from sluice_config.findings import Level
from sluice_gateway.sources.folder import Contents, Folder
from tests.support.gateway import route


def settled() -> int:
    """A wall clock so late that no file has been written lately."""
    return 2**63


def fresh() -> int:
    """A wall clock so early that any file has been written just now."""
    return 0


def keys(contents: Contents | None) -> list[str]:
    assert contents is not None
    return sorted(str(key) for key in contents.places)


def said(contents: Contents | None) -> list[str]:
    assert contents is not None
    return [str(located) for located in contents.findings]


def test_only_the_changed_document_is_parsed_again(tmp_path: Path) -> None:
    file = tmp_path / "routes.yaml"
    names = [f"route-{number}" for number in range(1000)]
    file.write_text("".join(route(name, models=(name,)) for name in names))
    folder = Folder([tmp_path])
    assert len(keys(folder.read())) == 1000
    assert folder.parsed == 1000
    names[500] = "changed"
    file.write_text("".join(route(name, models=(name,)) for name in names))
    assert "ModelRoute/default/changed" in keys(folder.read())
    assert folder.parsed == 1001


def test_only_the_changed_file_of_many_is_parsed_again(tmp_path: Path) -> None:
    for number in range(1000):
        (tmp_path / f"{number}.yaml").write_text(route(f"route-{number}"))
    folder = Folder([tmp_path], settled)
    assert len(keys(folder.read())) == 1000
    (tmp_path / "500.yaml").write_text(route("changed"))
    assert "ModelRoute/default/changed" in keys(folder.read())
    assert folder.parsed == 1001


def test_nothing_new_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(route("a"))
    folder = Folder([tmp_path], settled)
    assert folder.read() is not None
    assert folder.read() is None
    os.utime(tmp_path / "a.yaml")
    assert folder.read() is None
    assert folder.parsed == 1


def test_documents_move_without_being_parsed_again(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(route("a") + route("b"))
    folder = Folder([tmp_path])
    folder.read()
    (tmp_path / "a.yaml").write_text("# a comment\n\n" + route("b"))
    (tmp_path / "b.yaml").write_text(route("a"))
    contents = folder.read()
    assert contents is not None
    assert {key.name: (place.file, place.offset) for key, place in contents.places.items()} == {
        "a": (f"{tmp_path}/b.yaml", 0),
        "b": (f"{tmp_path}/a.yaml", 2),
    }
    assert folder.parsed == 3, "a and b, then the comment"


def test_what_is_gone_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(route("a"))
    (tmp_path / "b.yaml").write_text(route("b"))
    folder = Folder([tmp_path])
    folder.read()
    (tmp_path / "a.yaml").unlink()
    assert keys(folder.read()) == ["ModelRoute/default/b"]
    (tmp_path / "a.yaml").write_text(route("a"))
    folder.read()
    assert folder.parsed == 3, "its text was not kept"


def same_signature(path: Path, text: str) -> None:
    """Change a file within one tick of the clock: the time of the last change stays what it was."""
    before = path.stat()
    path.write_text(text)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_fresh_file_is_read_again_even_if_it_looks_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(route("a"))
    folder = Folder([tmp_path], fresh)
    folder.read()
    same_signature(path, route("b"))
    assert keys(folder.read()) == ["ModelRoute/default/b"]


def test_a_resource_that_is_there_twice_names_both_places(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(route("x"))
    (tmp_path / "b.yaml").write_text("# one\n" + route("y") + route("x"))
    (tmp_path / "c.yaml").write_text("\n" * 7 + route("x"))
    contents = Folder([tmp_path]).read()
    first = f"is already defined in {tmp_path}/a.yaml:2 [Invalid]"
    assert said(contents) == [
        f"{tmp_path}/b.yaml:5: error: ModelRoute default/x: {first}",
        f"{tmp_path}/c.yaml:9: error: ModelRoute default/x: {first}",
    ]
    assert keys(contents) == ["ModelRoute/default/x", "ModelRoute/default/y"]


def test_the_same_name_in_two_namespaces_or_kinds_is_no_clash(tmp_path: Path) -> None:
    core = "---\napiVersion: v1\nkind: {}\nmetadata: {{name: x, namespace: {}}}\n"
    (tmp_path / "a.yaml").write_text(
        "".join(core.format(*pair) for pair in (("Secret", "a"), ("Secret", "b"), ("ConfigMap", "a")))
    )
    contents = Folder([tmp_path]).read()
    assert said(contents) == []
    assert keys(contents) == ["ConfigMap/a/x", "Secret/a/x", "Secret/b/x"]


def test_each_broken_file_has_a_finding_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [")
    (tmp_path / "b.yaml").write_bytes(b"x: 1\ny: \xff")
    os.mkfifo(tmp_path / "c.yaml")
    (tmp_path / "d.yaml").write_text(route("d") + "---\n{")
    contents = Folder([tmp_path]).read()
    assert said(contents) == [
        f"{tmp_path}/a.yaml:1: error: not YAML: did not find expected node content while parsing a flow node [Invalid]",
        f"{tmp_path}/b.yaml:2: error: not UTF-8 text [Invalid]",
        f"{tmp_path}/c.yaml: error: is not a regular file [Invalid]",
        f"{tmp_path}/d.yaml:4: error: not YAML: did not find expected node content while parsing a flow node [Invalid]",
    ]
    assert keys(contents) == ["ModelRoute/default/d"]


def test_a_file_that_stays_broken_is_no_news(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c.yaml")
    folder = Folder([tmp_path, tmp_path / "missing"])
    assert len(said(folder.read())) == 2
    assert folder.read() is None


@pytest.mark.parametrize("text", ["", "# only words\n", "kind: Namespace\napiVersion: v1\n", "replicas: 1\n"])
def test_a_folder_without_resources_gets_a_warning(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    contents = Folder([tmp_path, tmp_path]).read()
    assert contents is not None
    located = contents.findings[-1]
    assert located.finding.level is Level.WARNING
    assert str(located) == f"{tmp_path}, {tmp_path}: warning: there are no resources of Sluice here [Empty]"
