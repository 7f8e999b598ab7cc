"""Theory of the shift that memorisation-aware training really uses, estimated by twins on halves of the
rows."""
