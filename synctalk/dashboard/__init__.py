"""The web pages of synctalk: they read files, write requests, and start the same command line a person would type."""
