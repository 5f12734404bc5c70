"""Run a real Kubernetes cluster on this machine: ``python -m tests.cluster COMMAND``."""

import argparse
import sys
from pathlib import Path

from tests.cluster.build import build, programs_folder
from tests.cluster.cluster import Cluster
from tests.cluster.keeper import guard, keep
from tests.cluster.preconditions import cannot_build
from tests.cluster.shell import ClusterError, say


def parse_arguments() -> argparse.Namespace:
    """The command and its arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="compile and unpack the programs, once per machine; prints their folder")
    up = commands.add_parser("up", help="start a cluster and wait until it works")
    keep = commands.add_parser("keep", help="the same, and remove it at the end of standard input")
    for command in (up, keep):
        command.add_argument("directory", type=Path, help="a new or empty folder")
        command.add_argument("--no-nodes", action="store_true", help="only the API server and the controllers")
    load = commands.add_parser("load-image", help="import an image archive into a cluster")
    guard = commands.add_parser("guard", help="at the end of standard input remove a cluster that somebody starts")
    down = commands.add_parser("down", help="end a cluster and remove its folder")
    status = commands.add_parser("status", help="show a cluster's addresses and programs")
    for command in (load, guard, down, status):
        command.add_argument("directory", type=Path)
    load.add_argument("archive", type=Path)
    return parser.parse_args()


def main() -> None:
    """Do what was asked."""
    options = parse_arguments()
    match options.command:
        case "build":
            if not programs_folder().exists() and (reason := cannot_build()):
                raise ClusterError(reason)
            say(str(build()))
        case "up":
            Cluster(options.directory).up(programs_folder(), with_node=not options.no_nodes)
        case "keep":
            keep(options.directory, with_node=not options.no_nodes)
        case "guard":
            guard(options.directory)
        case "load-image":
            Cluster(options.directory).load_image(options.archive)
        case "down":
            Cluster(options.directory).down()
        case "status":
            Cluster(options.directory).status()


if __name__ == "__main__":
    try:
        main()
    except ClusterError as error:
        sys.exit(f"error: {error}")
