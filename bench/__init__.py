"""Benchmarks: figures to print and to compare, never a reason for a test to fail. Run them with ``python -m bench``."""
