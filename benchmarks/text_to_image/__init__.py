"""The text-to-image path against retraining: adapters on the project's small base.

Two sets of emoji that the base never saw. ``python -m benchmarks.text_to_image STAGE`` measures one
stage on one set, and needs the npm packages of the houses and most of an hour, so ``python -m
benchmarks`` leaves it out. A stage is a module:

- :mod:`~.power`: power and null of the test, in latents and in decoded features;
- :mod:`~.shortlists`: does what an audit tests hold the work with the prompt's caption;
- :mod:`~.ranking`: the linear datamodeling score of rankers against adapters trained on halves;
- :mod:`~.rightsholders`: adapters trained without one rightsholder;
- :mod:`~.exemplars`: are an artist's few works found among all;
- :mod:`~.counterfactuals`: ablation beside training without the work;
- :mod:`~.serving`: mean and merged serving beside one adapter of all works;
- :mod:`~.moves`: how attribution moves with rank, members, works and steps, on the first set.

Measures and rankers are those of :mod:`benchmarks.lds`; training, sampling and tests are the
product's own.
"""
