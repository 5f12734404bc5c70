"""The ``sluice`` command: its arguments, and which command runs."""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from sluice_gateway.settings import InvalidSetting, Settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sluice", description="An LLM gateway that is run like the rest of a cluster."
    )
    parser.add_argument("--version", action="version", version=f"sluice {metadata.version('sluice')}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = commands.add_parser("up", help="serve from a folder of YAML, and reload it as it changes")
    _add_files(up)
    up.add_argument("--listen", metavar="HOST:PORT", help="where to serve (SLUICE_LISTEN; 127.0.0.1:8080)")
    up.add_argument("--auth", choices=("keys", "off"), help="whether callers must show a key (SLUICE_AUTH; off)")

    _add_gateway(commands.add_parser("gateway", help="serve in a pod, from what the operator publishes"))

    check = commands.add_parser("check", help="validate and compile; print findings, exit 1 on errors")
    _add_files(check)
    check.add_argument("-o", "--output", choices=("text", "json"), default="text", help="for people or for machines")

    explain = commands.add_parser("explain", help="say what would happen to a request, and why")
    _add_files(explain)
    explain.add_argument("--model", metavar="NAME", help="the name that a client would send; --request has one too")
    explain.add_argument("--request", type=Path, metavar="FILE", help="a request body in JSON; - for standard input")
    explain.add_argument("--strategy", metavar="NAME", default="", help="what x-routing-strategy would ask for")
    explain.add_argument("-o", "--output", choices=("text", "json"), default="text", help="for people or for machines")
    return parser


def _add_gateway(gateway: argparse.ArgumentParser) -> None:
    gateway.add_argument("--listen", metavar="HOST:PORT", help="where to serve the API (SLUICE_LISTEN; :8080)")
    gateway.add_argument(
        "--internal-listen", metavar="HOST:PORT", help="metrics and internal paths (SLUICE_INTERNAL_LISTEN; :9090)"
    )
    gateway.add_argument("--auth", choices=("keys", "off"), help="whether callers must show a key (SLUICE_AUTH; keys)")
    gateway.add_argument("--volume", type=Path, metavar="FOLDER", help="where the configuration is mounted, too")
    gateway.add_argument("--kube-api", metavar="URL", help="the API server; in a pod, it is known")
    gateway.add_argument("--kube-token-file", type=Path, metavar="FILE", help="the token to show it")
    gateway.add_argument("--kube-ca-file", type=Path, metavar="FILE", help="who vouches for it, in PEM")


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-f",
        "--files",
        dest="paths",
        action="append",
        required=True,
        type=Path,
        metavar="PATH",
        help="a file or folder; may be repeated",
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command. Returns the exit code: 0, 1 for errors in what was read, 2 for a wrong call."""
    arguments = _parser().parse_args(argv)
    try:
        return _run(arguments)
    except InvalidSetting as error:
        print(f"sluice: {error}", file=sys.stderr)
        return 2


def _run(arguments: argparse.Namespace) -> int:
    # Imported here: a check in CI need not load a server, nor the other way round.
    if arguments.command == "up":
        from sluice_gateway.commands import up

        settings = Settings.read(os.environ, listen=arguments.listen, auth=arguments.auth, local=True)
        return up.run(arguments.paths, settings, os.environ, sys.stdout)
    if arguments.command == "gateway":
        return _gateway(arguments)
    if arguments.command == "check":
        from sluice_gateway.commands import check

        return check.run(arguments.paths, arguments.output, os.environ, sys.stdout)
    from sluice_gateway.commands import explain

    return explain.run(
        arguments.paths,
        model=arguments.model,
        request=arguments.request,
        output=arguments.output,
        strategy=arguments.strategy,
        environ=os.environ,
        out=sys.stdout,
    )


def _gateway(arguments: argparse.Namespace) -> int:
    from sluice_gateway.commands import gateway
    from sluice_gateway.sources.api_server import Access

    settings = Settings.read(
        os.environ, listen=arguments.listen, internal_listen=arguments.internal_listen, auth=arguments.auth
    )
    access = Access.read(
        os.environ, url=arguments.kube_api, token_file=arguments.kube_token_file, ca_file=arguments.kube_ca_file
    )
    return gateway.run(settings, access, arguments.volume or gateway.VOLUME, os.environ)
