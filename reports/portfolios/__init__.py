"""The rightsholders to license for a batch of audited outputs: request, evidence, choice, document.

Enter here: ways to choose and to check a choice. Prices are the user's; no price is estimated here.
"""
