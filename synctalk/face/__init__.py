"""The face line: from a talking video to a model that lip-syncs that person to any sound."""
