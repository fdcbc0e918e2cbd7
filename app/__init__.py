"""Entry and composition: configuration, wiring of each process, command line, demo."""
