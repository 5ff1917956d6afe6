"""Opens sources and inspects what is in them, on all cores; whatever is hostile stays in a process
of its own.
"""
