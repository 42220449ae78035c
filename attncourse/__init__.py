"""Attention mechanisms in computer vision, one module or package a mechanism.

Every mechanism is an instance of the survey's formula ``y = f(g(x), x)``: ``g`` decides
what, where, when or which to attend to, ``f`` applies that decision to ``x``.

The rooms of the package:

========================  =============================================================
``attncourse.channel``    the mechanisms, one sub-package a category
``attncourse.attention``  the ``f(g(x), x)`` base class and the identity card
``attncourse.catalog``    all identity cards
``attncourse.backbones``  networks that take any channel-preserving block
``attncourse.measure``    counted multiply-adds, exact peak memory, fair timings
``attncourse.tasks``      small tasks in which the reason a mechanism helps can be seen
``attncourse.datasets``   MNIST, Fashion-MNIST, CIFAR-10, CamVid, skeletons, all checked
``attncourse.training``   one training loop, on Accelerate
``attncourse.experiments``  task + variants + equal budget, recorded over seeds
``attncourse.exercises``  ``check``, ``hint``, ``quiz`` and the learner's progress
``attncourse.views``      figures, schematics, explorers and live machines in one style
========================  =============================================================

Importing the package imports none of them, so that ``import attncourse`` costs nothing.
"""

__version__ = "0.10.0"
