"""``sluice up`` that says, at each SIGUSR1, how many tasks its event loop runs.

python -m bench.watched FOLDER ADDRESS TASKS_FILE
"""

import asyncio
import io
import os
import signal
import sys
from pathlib import Path

from sluice_gateway.commands.up import run
from sluice_gateway.settings import Settings


class Watching(io.StringIO):
    """What the command tells the person in front of it, which it does in its event loop."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    def write(self, text: str) -> int:
        """Take the occasion to listen for the signal."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, lambda: self._file.write_text(str(len(asyncio.all_tasks(loop)))))
        return len(text)


if __name__ == "__main__":
    settings = Settings.read(os.environ, listen=sys.argv[2], local=True)
    sys.exit(run([Path(sys.argv[1])], settings, os.environ, Watching(Path(sys.argv[3]))))
