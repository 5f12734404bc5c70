"""A cluster to play with: ``make cluster`` and ``make cluster-down``.

python -m tests.playground up DIR       # a cluster with Sluice and its samples; DIR/kubeconfig, DIR/gateway-{url,key}
python -m tests.playground down DIR     # and nothing of it is left
"""

import os
import sys
from pathlib import Path

from tests.cluster.build import build, programs_folder
from tests.cluster.cluster import Cluster
from tests.cluster.preconditions import cannot_build, cannot_run
from tests.cluster.shell import ClusterError, say
from tests.support.cluster import KubectlFailed
from tests.support.installation import Installation

NEXT = """
A gateway with two pods, an operator and the samples run. Three commands to try:

  export KUBECONFIG={folder}/kubeconfig PATH={programs}:$PATH; kubectl get modelroutes
  curl -s $(cat {folder}/gateway-url)/v1/chat/completions -H "authorization: Bearer $(cat {folder}/gateway-key)" \\
    -H 'content-type: application/json' -d '{{"model": "chat", "messages": [{{"role": "user", "content": "hello"}}]}}'
  kubectl edit modelroute chat   # live in all pods within a second; then look at it again

`make cluster-down` removes it all."""


def up(folder: Path) -> None:
    """Start the cluster, install Sluice, and say what to try. Raises ClusterError."""
    if reason := cannot_run(os.environ) or ("" if programs_folder().exists() else cannot_build()):
        raise ClusterError(reason)
    cluster = Cluster(folder)
    if cluster.sandbox.running():
        raise ClusterError("a cluster runs already: make cluster-down ends it")
    programs = build()
    cluster.up(programs, with_node=True)
    installation = Installation(cluster, programs / "kubectl")
    installation.install()
    (folder / "gateway-url").write_text(installation.gateway_url() + "\n")
    (folder / "gateway-key").write_text(installation.caller_key + "\n")
    say(NEXT.format(folder=folder.resolve(), programs=programs))  # so that they work in any folder


def main() -> int:
    """Do what was asked; 1 when it fails."""
    command, folder = sys.argv[1], Path(sys.argv[2])
    try:
        if command == "up":
            up(folder)
        else:
            Cluster(folder).down()
    except (ClusterError, KubectlFailed) as error:
        say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
