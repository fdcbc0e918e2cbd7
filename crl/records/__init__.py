"""The queries of publication: a transaction in, values out; never commits."""
