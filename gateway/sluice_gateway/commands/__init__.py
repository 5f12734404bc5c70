"""What the ``sluice`` command does, one module a sub-command."""
