"""What the chapter on the non-local block does not need: fast forms of rare cases."""
