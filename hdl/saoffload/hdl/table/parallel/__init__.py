"""The parallel CAM: every key in registers beside its own comparator, all compared at once."""
