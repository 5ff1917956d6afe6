"""Trains the small text-to-image base that comes with the project; run by hand, hours on one core.

Order: ``works`` renders and captions the emoji, ``autoencoder`` trains the VAE, ``denoiser`` the
UNet and the text encoder, ``folder`` writes the diffusers folder with its card. The demonstration's
base lies in ``cli/demo/small_base``, from where it goes into the wheel. All stages take one folder
for what they keep, go on after an interruption, and start through ``python -m
benchmarks.base_model``.
"""
