"""Members: registration, manifests, Merkle proofs, exposure to works, and service.

Code that needs a member, its manifest or its works enters here; training itself does not.
"""
