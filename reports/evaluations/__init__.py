"""How good the evidence on an ensemble is: the page and JSON of an evaluation, and its sentences in
other reports. Enter here: what reads the log's event of ``creditline evaluate``.
"""
