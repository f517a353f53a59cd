"""Lists in host memory: which may be read, how they are fetched, and what is deleted."""
