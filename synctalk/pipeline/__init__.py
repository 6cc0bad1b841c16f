"""Orchestration: stages, their order, whether they are fresh, and running them. Knows no model and no torch."""
