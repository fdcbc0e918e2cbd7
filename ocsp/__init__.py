"""Answers to OCSP requests: what a relying party is told of one certificate, at any rate, truly."""
