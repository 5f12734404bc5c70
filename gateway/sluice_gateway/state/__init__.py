"""The state that gateway pods share: a Redis, and what happens while it is away."""
