"""What the gateway's listeners answer, described for programs (OpenAPI 3.1) and for people (one HTML page)."""
