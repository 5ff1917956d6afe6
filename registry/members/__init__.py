"""Members: registration, manifests, Merkle proofs, exposure to works, and service.

What may enter: code about members, their manifests and their works, and no training.
"""
