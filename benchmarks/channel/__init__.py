"""Cases of the mechanisms of this category."""
