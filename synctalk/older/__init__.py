"""The commands that users of the older pipelines know, translated into today's; `scripts/` are their doors."""
