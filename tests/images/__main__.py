"""``make images``: build the images of this repository, and say where they are."""

import sys

from tests.cluster.shell import ClusterError, say
from tests.images.build import GATEWAY, OPERATOR, ROOT, built


def main() -> int:
    """Build both; 1 when that fails."""
    try:
        built(GATEWAY, OPERATOR)
    except ClusterError as error:
        say(f"error: {error}")
        return 1
    for image in (GATEWAY, OPERATOR):
        for path in (image.archive, image.sbom):
            say(str(path.relative_to(ROOT)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
