"""What the operator tells about itself: JSON lines and Prometheus metrics."""
