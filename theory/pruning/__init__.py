"""Learning from data of which a rule keeps some: pruned, curated or verified."""
