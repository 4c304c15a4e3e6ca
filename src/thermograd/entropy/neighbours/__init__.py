"""Exact nearest neighbours in any dimension, in coordinates and in the papers' angles, with a plain twin."""
