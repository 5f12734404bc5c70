"""How much may be used: reservations that are settled with what was really used. Values and functions, and one queue."""
