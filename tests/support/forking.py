"""The process that tests/support/warm.py forks operators from: ``python -m tests.support.forking FD``.

It ends when nobody holds the other end of that socket any more.
"""

import json
import os
import signal
import socket
import sys

from sluice_operator.cli import main

LARGEST = 1 << 20


def serve(control: socket.socket) -> int:
    """Fork for each message: an environment, with a standard error and where to tell the id and the exit code.

    Returns in the operators too, with their exit codes.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, LARGEST, 2)
        if not message:
            return 0
        stderr, tells = descriptors
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if (operator := os.fork()) != 0:
                _tell(operator, tells)
            control.close()
            os.close(tells)
            os.dup2(stderr, sys.stderr.fileno())
            os.environ.clear()
            os.environ.update(json.loads(message))
            return main([])
        os.close(stderr)
        os.close(tells)


def _tell(operator: int, tells: int) -> None:
    """Be the operator's parent, for as long as it lives."""
    os.write(tells, str(operator).encode())
    _, status = os.waitpid(operator, 0)
    os.write(tells, str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as given:
        sys.exit(serve(given))
