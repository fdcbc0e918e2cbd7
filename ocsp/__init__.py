"""Answers to OCSP requests (RFC 6960)."""
