"""Reading the files of a source, on all cores; hostile files cost only a process of their own.

    scan               the files of a folder
    file_inspection    files, inspected in order by several processes
    archive_works      the members of an archive, inspected one by one
    archive_inspection the same for many archives, by several processes
    webdataset, shard_facts  img2dataset's shards, and their facts about an image
    content            the bytes of a registered work
    processes, worker  reading processes, seen from the parent and from inside

What may enter: ways to get at bytes and to inspect them; nothing that stores.
"""
