"""One module per command, named by the first word that is typed, in a room per subject.

What enters here parses, calls, prints and exits. The table of commands is :mod:`cli.command_table`.
"""
