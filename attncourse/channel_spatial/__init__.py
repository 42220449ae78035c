"""Channel and spatial attention: *what and where*.  ``g(x)`` weighs channels and positions."""
