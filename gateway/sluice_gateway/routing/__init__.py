"""Which route serves a name, and which targets in which order: pure values and functions."""
