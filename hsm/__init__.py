"""The key holder: PKCS#11 sessions and keys; no private key leaves its token."""
