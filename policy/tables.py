"""The registration authority's tables; imported by `records` alone."""
