"""Callers of OpenAI's chat completions."""
