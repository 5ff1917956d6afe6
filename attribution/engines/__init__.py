"""Where tasks run: in processes of this machine, or on a Ray cluster.

What may enter: ways to run many tasks, behind one interface, and the choice among them. Nothing
here knows what a task does.
"""
