"""The engine: issues, suspends, restores, revokes; it never asks about dossiers."""
