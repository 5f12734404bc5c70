"""Which files count, and how they are read."""

import os
from pathlib import Path

import pytest

from sluice_gateway.sources.files import (
    LARGEST_FILE,
    RACY_NANOSECONDS,
    Unreadable,
    list_files,
    read_file,
    shown,
    signature_of,
)


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def listed(*paths: Path, under: Path) -> list[str]:
    listing = list_files(paths)
    assert not listing.problems
    return [str(file.path.relative_to(under)) for file in listing.files]


def test_yaml_and_json_count_at_any_depth_in_order(tmp_path: Path) -> None:
    put(tmp_path, "b.yaml", "a.yml", "team/c.json", "team/deep/d.YAML", "z.yaml")
    assert listed(tmp_path, under=tmp_path) == ["a.yml", "b.yaml", "team/c.json", "team/deep/d.YAML", "z.yaml"]


def test_what_is_hidden_or_an_editors_does_not_count(tmp_path: Path) -> None:
    put(tmp_path, ".hidden.yaml", ".git/a.yaml", "a.yaml~", ".a.yaml.swp", "#a.yaml#", ".#a.yaml", "a.yaml.bak", "4913")
    put(tmp_path, "a.yaml___jb_tmp___", "README.md", "kustomization.yaml", "team/kustomization.yml", "a.yaml")
    assert listed(tmp_path, under=tmp_path) == ["a.yaml"]


def test_a_file_that_is_named_counts_whatever_its_name(tmp_path: Path) -> None:
    put(tmp_path, "routes.txt", ".hidden.yaml")
    assert listed(tmp_path / "routes.txt", tmp_path / ".hidden.yaml", under=tmp_path) == ["routes.txt", ".hidden.yaml"]


def test_the_layout_of_a_config_map_volume(tmp_path: Path) -> None:
    put(tmp_path, "..2024_01_31/chat.yaml", "..2024_01_31/team/b.yaml")
    (tmp_path / "..data").symlink_to("..2024_01_31")
    (tmp_path / "chat.yaml").symlink_to("..data/chat.yaml")
    (tmp_path / "team").symlink_to("..data/team")
    assert listed(tmp_path, under=tmp_path) == ["chat.yaml", "team/b.yaml"]


def test_nothing_comes_twice(tmp_path: Path) -> None:
    put(tmp_path, "a/x.yaml")
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "y.yaml").symlink_to("x.yaml")
    (tmp_path / "link").symlink_to("a")
    assert listed(tmp_path / "a", tmp_path, tmp_path / "link", tmp_path / "a" / "x.yaml", under=tmp_path) == [
        "a/x.yaml"
    ]


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    put(tmp_path, "a.yaml")
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    listing = list_files([tmp_path, tmp_path / "missing"])
    reason = "can't be read: No such file or directory"
    assert listing.problems == [(f"{tmp_path}/gone.yaml", reason), (f"{tmp_path}/missing", reason)]
    assert [file.path.name for file in listing.files] == ["a.yaml"]


def test_relative_paths_stay_relative(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "manifests/a.yaml")
    monkeypatch.chdir(tmp_path)
    assert [file.shown for file in list_files([Path("manifests")]).files] == ["manifests/a.yaml"]


@pytest.mark.parametrize(("name", "safe"), [("a.yaml", "a.yaml"), ("ü.yaml", "ü.yaml"), ("\x1b[1m", r"\x1b[1m")])
def test_names_are_fit_for_a_terminal(name: str, safe: str) -> None:
    assert shown(Path(name)) == safe


def test_names_that_are_no_text_are_shown(tmp_path: Path) -> None:
    assert shown(Path(os.fsdecode(b"a\xff.yaml"))) == r"a\udcff.yaml"


def test_signatures_differ_when_the_file_does(tmp_path: Path) -> None:
    path, other = tmp_path / "a.yaml", tmp_path / "b.yaml"
    put(tmp_path, "a.yaml", "b.yaml")
    signatures = {signature_of(path.stat())}
    path.write_text("xy")
    signatures.add(signature_of(path.stat()))
    other.write_text("xy")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    other.replace(path)
    signatures.add(signature_of(path.stat()))
    assert len(signatures) == 3


def test_a_fresh_file_is_not_trusted_to_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"abc")
    changed = path.stat().st_ctime_ns
    assert read_file(path, changed + RACY_NANOSECONDS) == (b"abc", None)
    assert read_file(path, changed + RACY_NANOSECONDS + 1) == (b"abc", signature_of(path.stat()))
    assert read_file(path, changed - 10**18) == (b"abc", None)


def test_a_named_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.yaml")
    with pytest.raises(Unreadable, match="not a regular file"):
        read_file(tmp_path / "a.yaml", 0)


def test_a_device_is_not_read() -> None:
    with pytest.raises(Unreadable, match="not a regular file"):
        read_file(Path("/dev/zero"), 0)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "a.yaml").open("wb") as file:
        file.truncate(LARGEST_FILE + 1)
    with pytest.raises(Unreadable, match="larger than 32 MiB"):
        read_file(tmp_path / "a.yaml", 0)


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    with pytest.raises(Unreadable):
        read_file(tmp_path, 0)


def test_a_file_that_went_away(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "a.yaml", 0)
