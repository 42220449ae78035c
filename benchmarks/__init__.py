"""What attention costs: every mechanism of the package beside the forms that it replaces.

``python -m benchmarks`` (or ``make bench``) measures time and memory, forward and backward, at
three sizes each, and writes them to ``book/_data/benchmarks.json``, from which the book draws
its page on cost.  A mechanism's cases stand in ``benchmarks/<category>/<mechanism>.py``.
"""
