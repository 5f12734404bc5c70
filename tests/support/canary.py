"""A value that must never be seen: planted as a key, looked for in everything that is said."""

CANARY = "sk-canary-5d1f0c9e7b"
