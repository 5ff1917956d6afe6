"""The registry at size: time, memory and file size of its operations, each beside bare DuckDB SQL.

    works         a generated list of works, as Parquet
    rival         the same operations as plain SQL over plain tables
    measuring     a command in a process of its own: seconds, peak memory
    __main__      the steps in order; what was measured is kept if a run is interrupted

What may enter: an operation on works that a registry of any size must do.
"""
