"""Publication of certificate revocation lists."""
