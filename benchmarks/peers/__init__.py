"""Other attribution libraries on our models: each file runs in the peers' own virtual environment and talks through files.

Make one with ``python -m venv PEERS``, install into it torch==2.13.0, this project, scikit-learn, captum, traker, accelerate,
einops, einconv and opt_einsum, then kronfluence with ``--no-deps`` (it pins older versions), and name it with ``--peers``.
"""
