"""Callers of Anthropic's Messages."""
