"""Asking providers, in the background, which models they offer."""
