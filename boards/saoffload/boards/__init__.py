"""Boards that the engine runs on: their tops, bitstreams and reports."""
