"""How callers speak: one module a shape, each reading requests into the normal form and writing answers from it."""
