"""Branch attention: *which* branch to attend to.  ``g(x)`` gives weights of branches."""
