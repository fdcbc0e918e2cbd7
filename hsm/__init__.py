"""The key holder: keys that live on PKCS#11 tokens and sign when handed to `cryptography`.

`hsm.keyring.Keyring` is the door: roles in, keys out. Everything that can go wrong with a token
reaches the caller as one `core.errors.SigningUnavailable`. Nothing here knows certificates of
ours, dossiers or the database.
"""
