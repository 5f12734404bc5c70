"""What users write: resource kinds, their CRDs, and their compilation into a Snapshot."""
