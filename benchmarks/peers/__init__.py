"""Other attribution libraries on our models: each file runs in the peers' own virtual environment
and talks through files.

Make one with ``python -m venv PEERS``, install into it this project with its extra ``peers``
(traker and kronfluence), scikit-learn and captum, with the same torch, and name it with
``--peers``.
"""
