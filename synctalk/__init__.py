"""synctalk: one person's recordings become a talking face and a voice, on the user's own machine."""

__version__ = "0.1.0"
