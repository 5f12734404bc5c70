"""What may have changed: watches that only say so. What is there, is read afresh (gather)."""
