"""Leaves: video, audio and faces in, arrays out. No state, no settings."""
