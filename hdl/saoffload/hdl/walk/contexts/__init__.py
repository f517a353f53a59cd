"""The walker of many lists: contexts that take turns on one pipeline."""
