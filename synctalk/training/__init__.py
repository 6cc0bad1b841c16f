"""Training: epochs, steps, checkpoints, exact resume. Knows no model and no stage."""
