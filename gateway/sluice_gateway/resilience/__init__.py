"""What to do when a target fails: leave it alone for a while, try another, try again. Time is an argument."""
