"""OpenAI's API, and all who speak it."""
