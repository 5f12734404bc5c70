"""Gemini, by the Gemini API and by Vertex AI."""
