"""How many examples the largest property tests try: a part of them in each run, all of them in ``make soak``.

Which ones is fixed, so that a run shows what the run before it has shown.
"""

import os

ALL = "SLUICE_TEST_EXAMPLES"
"""The variable that is set to ``all`` for all of them."""


def examples(count: int) -> int:
    """Of so many, as many as this run is to try."""
    return count if os.environ.get(ALL) == "all" else count * 2 // 5
