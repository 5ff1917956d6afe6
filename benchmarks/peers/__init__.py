"""Other attribution libraries on our models: each file runs in the peers' own virtual environment and talks through files.

python -m venv PEERS && PEERS/bin/pip install torch==2.13.0 diffusers scikit-learn captum traker \
        accelerate einops einconv opt_einsum && PEERS/bin/pip install --no-deps kronfluence
python -m benchmarks.lds --peers PEERS ...
"""
