"""Contents of data sets and models, read once for every document.

``selection`` chooses works and counts them in the database; ``data_sets``, ``ensembles`` and
``outputs`` are the lineage: data set, members and their manifests, samples and audits. Enter here:
facts of the registry that two kinds of document state. Sentences, pages and formats do not.
"""
