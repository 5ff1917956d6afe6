"""From a folder of files and what somebody says about them to works with owners.

    scan          which files are there               -> paths, and what cannot be a work
    inspection    what each file is                    -> hash, size, type, or the reason why it is refused
    pool, reader   the same on all cores
    owners        whose it is, by table, folder or name -> a declaration, or the reason why there is none
    store         into the registry, in bulk
    registration  all of it, in batches that survive being killed

A file that is refused never stops the others: every refusal is a finding with its reason.
"""
