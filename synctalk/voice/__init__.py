"""The voice line: recordings and texts -> a voice that reads any text."""
