"""HTTP: translates requests, decides nothing, writes no SQL."""
