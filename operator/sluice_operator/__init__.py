"""Watches resources, compiles them, and writes what gateways and their users read."""
