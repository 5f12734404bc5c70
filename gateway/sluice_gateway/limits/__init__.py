"""How much may be used: reservations, settled with what was really used. Values and functions, and one queue."""
