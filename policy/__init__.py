"""The registration authority: dossiers, rulebooks, campaigns, remedy cases, tokens, notices."""
