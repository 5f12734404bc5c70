"""The HTTP front door: connections, bodies, replies and paths; what a request means is the pipeline's matter."""
