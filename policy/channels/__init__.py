"""The channels by which notices reach subscribers, each behind the same three methods."""
