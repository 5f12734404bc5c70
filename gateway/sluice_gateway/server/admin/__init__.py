"""What operators of a gateway may look at and override at run time, on the internal listener."""
