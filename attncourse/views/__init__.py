"""One look for the whole course: figures, schematics, identity cards, explorers, controls.

Views draw arrays.  They know neither mechanisms nor tasks.  Everything that is shown takes an
``alt`` text by signature, and works in the published page without a kernel.
"""

from attncourse.views import machines
from attncourse.views.card import identity_card
from attncourse.views.control import control
from attncourse.views.explorer import explore_attention, explore_curves, explore_gates
from attncourse.views.figures import heat, label_line, seed_dots
from attncourse.views.frames import explore_frames
from attncourse.views.outcomes import outcome_dots, outcome_table
from attncourse.views.promises import BrokenPromise, promises
from attncourse.views.schematic import Schematic
from attncourse.views.show import Picture, show
from attncourse.views.style import PALETTE, use
from attncourse.views.table import table
from attncourse.views.warp import explore_warp

__all__ = [
    "PALETTE",
    "BrokenPromise",
    "Picture",
    "Schematic",
    "control",
    "explore_attention",
    "explore_curves",
    "explore_frames",
    "explore_gates",
    "explore_warp",
    "heat",
    "identity_card",
    "label_line",
    "machines",
    "outcome_dots",
    "outcome_table",
    "promises",
    "seed_dots",
    "show",
    "table",
    "use",
]
