"""`kill -9` at random moments of every command that writes: nothing may be lost.

Each command first runs undisturbed in a copy of its home, which gives its processor time and the
rows that must be there. Then it is killed some times in the home itself, at random moments after
its first write: either all of its processes, or its first process alone, in which case the others
must end by themselves. After each kill `creditline doctor` must find nothing wrong. At last the
command runs to its end, and no table may hold fewer rows than in the copy: nothing is lost. The
table of works holds as many: none is there twice.

Moments are in processor time, so that a busy machine moves none, and commands are forks of a
process that has imported everything, so that a kill strikes a command at its work. The result is
written after every command. Linux only: other systems tell no times of running processes.

    python -m benchmarks.kills                # every command
    python -m benchmarks.kills --continue     # what the result has not reached
    python -m benchmarks.kills --kills 5 intake "pixels:keys create"  # a group and a command
"""

from __future__ import annotations

from benchmarks.kills.run import main

__all__ = ["main"]
