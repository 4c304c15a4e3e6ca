"""Queues of weight vectors, filled while they move: in memory, on disk, as differences, or as sketches."""
