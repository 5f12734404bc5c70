"""What to do when a target fails: leave it alone for a while, try another, try again. Pure values; time is an argument."""
