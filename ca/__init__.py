"""The engine: issues, suspends, restores and revokes; it knows certificates and never asks about dossiers."""
