"""How fast walkers are: lists as they stand in real memories, walked by the engine and by a plain state machine."""
