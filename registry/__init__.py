"""The registry: works, rightsholders, licences, codes, members, samples and audits."""
