"""Members that are LoRA adapters on a frozen text-to-image base, in the latents of its autoencoder.

What may enter: what torch needs to know of such a base (its networks, its texts, its adapters) and
the kind of denoiser made of these. How a base is registered is :mod:`registry.bases`; training,
sampling and audits are those of every kind.
"""
