"""The explorer: a local page with a slider for every number of a setting (``freeridge explore``)."""
