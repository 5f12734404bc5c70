"""How the time that something takes grows with its size, on a machine that does other things as well."""

import gc
import time
from collections.abc import Callable

_TIMES = 3


def takes_less(large: Callable[[], object], times: float, small: Callable[[], object]) -> bool:
    """Whether ``large`` takes less than so many times what ``small`` does, of the processor's time.

    Other work can only make it look longer: it is measured again when it does.
    """
    return any(_seconds(large) < times * _seconds(small) for _ in range(_TIMES))


def _seconds(work: Callable[[], object]) -> float:
    """Without the collector, which looks through what all other tests have left."""
    gc.disable()
    try:
        started = time.process_time()
        work()
        return time.process_time() - started
    finally:
        gc.enable()
