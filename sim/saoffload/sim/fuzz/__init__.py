"""Fuzzing: random work under faults and packet traffic on the RTL, every event of it held against the model."""
