"""Signatures of documents: keys, signatures that public tools verify, and time stamps.

Enter here: whatever signs, or checks a signature, for any kind of document. Content Credentials
have keys and rules of their own, in :mod:`reports.credentials`.
"""

MISSING = "signatures need an optional part that is not here: pip install 'creditline[signatures]'"
