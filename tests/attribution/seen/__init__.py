"""Did these models see this very work?"""
