"""Benchmarks: each is a module with a command, `python -m benchmarks.NAME --help`."""
