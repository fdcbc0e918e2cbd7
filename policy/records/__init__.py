"""The registration authority's queries, by what they are about; none commits."""
