"""The quality of the evidence on an ensemble: page and JSON of an evaluation, and its sentences in
other reports. Enter here: readers of the log's event of ``creditline evaluate``.
"""
