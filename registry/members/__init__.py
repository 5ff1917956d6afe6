"""What trained members saw: registration, manifests, Merkle proofs, exposure and who is in service.
Code that needs a member, its manifest or its works enters here; training itself does not.
"""
