"""What exists and whose it is: works, rightsholders, licences, codes, members, samples and the
audits' findings.
"""
