"""Index: search, store, distance and calibration in one; NumPy only."""
