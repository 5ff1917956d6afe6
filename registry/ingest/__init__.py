"""Registering works: from files or a list, with their declarations, to rows of the registry.

    source_kind      the kind of a source: a folder, an archive, shards or a list
    open_sources     a folder, an archive or shards, opened; reading/, archives/: their contents
    owners/          the owner of each file: by table, by folder, or one for all
    intake           one registration of files: results in, batches out
    store/           batches of files into the registry, and the rules that lists share
    registration     files: inspect, match with owners, store, look for near duplicates
    lists/, bulk/    lists of works: reading them, and registering ten million rows
    dry_run          the same on a copy of the registry that is then deleted
    fingerprinting, near_duplicates  works that look alike

A refused file or row never stops the others: every refusal is a finding with its reason.

What may enter: everything between a source and its rows, and nothing computed from rows alone.
"""
