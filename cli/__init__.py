"""The command line: parse, call, print, exit. The only package that imports all others."""
