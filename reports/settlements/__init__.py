"""The settlement table: the shares of many outputs, summed for accounting.

What may enter: the sums of recorded shares by rightsholder, licence or data set, their uncertainty
and their document. How one output is divided is decided by its audit.
"""
