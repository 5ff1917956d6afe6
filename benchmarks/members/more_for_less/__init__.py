"""More members for less: what many members can give at the training cost of few.

The evidence of an encoded ensemble grows with its members, and members cost training. Arms on the
same works spend about the same processor time in other ways: few members at all steps, many at a
part of the steps, many from a shared trunk, with all weights or few that train, and runs with
snapshots. What each may and may not claim:

- *Members of all or of a part of the steps*: everything that the method claims. A quick member is
  another model, so the test is exact for the ensemble that it is in, and says nothing about
  members of all steps. Whether its influence is that of retraining at all steps is measured.
- *A trunk* is a network of works that are not registered, kept out of all members' works. So no
  member's exclusion is touched: leaving out the members that saw a registered work leaves no trace
  of it. That is the honest condition. The trunk's own works are in every member. They have no code,
  cannot be found, and cannot be removed. A trunk of registered works would break every exclusion.
- *A head or adapters* on a trunk: the same.
- *Snapshots*: those of a run saw the same works, so they have the code of the run and are no
  independent members. A run with its snapshots averaged is one member of the exact test; n stays
  the number of runs.

All arms are tested on the same outputs, which models of random halves made that belong to no arm,
and on their own. The truth of retraining are other such models. Members of all arms see half of the
works (codes of weight n/2), under the recipe of :mod:`benchmarks.lds.data`; the warm-up keeps its
share of the steps, and no rate was tuned for any arm. A repetition has other codes and another
training seed. Costs are processor seconds of one thread, and of stacked training: what the plain
training of members takes grows in the same proportion.

    python -m benchmarks.members.more_for_less --data digits --cache DIR [--repetitions 3]
    python -m benchmarks.members.more_for_less --data emoji --source FOLDER --cache DIR

Everything trained and measured is kept in the cache: an interrupted run goes on.
"""
