"""Hardware around a part of the engine that exercises it without waking Python: for measurements, not for silicon."""
