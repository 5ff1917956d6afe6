"""How the loops of this room are compiled and spread over the processor's cores.

Numba compiles a loop when it first runs and keeps the machine code beside the module, or in the
user's cache folder. Modules with loops import Numba, so they are imported where a loop runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar, cast

import numba

from attribution.engines.device import usable_cores

Loop = TypeVar("Loop", bound=Callable[..., Any])
Part = TypeVar("Part")
Result = TypeVar("Result")


def compiled(loop: Loop) -> Loop:
    """A loop as machine code that runs without the interpreter's lock."""
    try:
        return cast(Loop, numba.njit(loop, nogil=True, cache=True))
    except RuntimeError:  # no folder can be written: compiled anew in each process
        return cast(Loop, numba.njit(loop, nogil=True))


def inlined(loop: Loop) -> Loop:
    """A few lines that Numba puts into every loop that calls them.

    The processor can then compute several turns of that loop at once, which a call prevents: plain
    calls made codes 18 times slower.
    """
    return cast(Loop, numba.njit(loop, inline="always"))


def on_all_cores(work: Callable[[Part], Result], parts: Sequence[Part]) -> list[Result]:
    """The results of compiled work on each part, in order, by one thread per core."""
    threads = min(usable_cores(), len(parts))
    if threads <= 1:
        return [work(part) for part in parts]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, parts))
