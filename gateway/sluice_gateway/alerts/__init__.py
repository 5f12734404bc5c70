"""What somebody should be told at once: in the log, and to a webhook."""
