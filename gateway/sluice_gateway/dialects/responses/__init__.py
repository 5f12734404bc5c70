"""Callers of OpenAI's Responses."""
