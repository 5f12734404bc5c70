"""Loads snapshots and serves requests."""
