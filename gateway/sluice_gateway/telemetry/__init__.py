"""What the gateway says of itself: one JSON line a request, and Prometheus metrics."""
