"""Golden files: small, named after the rule that they show, rewritten by ``pytest --rewrite-golden``."""

from pathlib import Path


class Golden:
    """The files below one folder."""

    def __init__(self, folder: Path, *, rewrite: bool) -> None:
        self._folder = folder
        self._rewrite = rewrite

    def check(self, name: str, text: str) -> None:
        """Assert that the file has this text, or give it this text."""
        file = self._folder / name
        if self._rewrite:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        wanted = file.read_text(encoding="utf-8") if file.is_file() else "(no such file)"
        assert text == wanted, f"{file} differs; if the change is meant: pytest --rewrite-golden, and read the diff"
