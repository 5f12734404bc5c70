"""Asking providers, now and then, whether they answer."""
