"""Rankers through other attribution libraries, for comparison with ours. They need the extra
``creditline[peers]``.
"""
