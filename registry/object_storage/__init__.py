"""Object storage: files and folders that are named by addresses, as copies on this machine.

What may enter: the reading of addresses, and the copying of what they name, through fsspec (extra
``storage``). Nothing is asked of the network but what an address names. Credentials belong to the
environment of the machine; no address with any is taken, shown or stored.
"""
