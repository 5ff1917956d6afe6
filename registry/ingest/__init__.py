"""From a folder of files and what somebody says about them to works with owners.

    scan          which files are there               -> paths, and what cannot be a work
    inspection    what each file is                    -> hash, size, type, or the reason why it is refused
    pool, member_pool  the same on all cores: of files, of archives' members
    files         a folder, an archive or shards       -> all of the above
    owners        whose it is, by table, folder or name -> a declaration, or the reason why there is none
    data_set      what the registry has of the source
    store         into the registry, in bulk; rehearsal: what that would come to, and nothing stored
    registration  all of it, in batches that survive being killed; looking: the same as a rehearsal

A file that is refused never stops the others: every refusal is a finding with its reason.
"""
