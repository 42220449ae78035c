"""A GPU that is not there: every tensor knows on which side it is, and mixing the two is an error.

All numbers are computed on the processor.  What a real GPU would refuse is refused here too: an
operation on tensors of both sides, or a NumPy array of a tensor that is not on the processor.

    with virtual_gpu():
        net.to("cuda")(x)                 # Mixed: x is on the processor

    python -m tests.virtual_gpu channel/squeeze_excitation

executes the notebook of a chapter, or of several, their experiments and their benchmarks in this
way, with two steps a training, and prints what a GPU would refuse.  Other errors do not count:
figures and numbers of networks that were hardly trained make no sense, and some cells say so.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_iter

GPU = torch.device("cuda", 0)
CPU = torch.device("cpu")
_SIDE = "_on_virtual_gpu"
_DEVICE, _IS_CUDA = Tensor.device.__get__, Tensor.is_cuda.__get__
_SET_DATA, _SET_GRAD = Tensor.data.__set__, Tensor.grad.__set__
#: These may meet tensors of both sides, on a real GPU too.
_CROSSING = {"copy_", "__setitem__", "_has_compatible_shallow_copy_type", "__deepcopy__"}


class Mixed(RuntimeError):
    """What a GPU would refuse."""


def on_gpu(tensor: Tensor) -> bool:
    """Whether a tensor was put on the virtual GPU."""
    return vars(tensor).get(_SIDE, False)


def _put(tensor: Tensor, side: bool) -> Tensor:
    vars(tensor)[_SIDE] = side
    return tensor


def _tensors(values: Any) -> list[Tensor]:
    return [value for value in tree_iter(values) if isinstance(value, Tensor)]


def _is_gpu(device: object) -> bool:
    return str(device).startswith("cuda")


class _Sides(TorchFunctionMode):
    """Follow the side of every tensor through every call."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if func == _DEVICE and on_gpu(args[0]):
            return GPU
        if func == _IS_CUDA:
            return on_gpu(args[0])
        if func in (Tensor.numpy, Tensor.__array__) and on_gpu(args[0]):
            raise Mixed("can't convert cuda:0 device type tensor to numpy")
        if func in (Tensor.cpu, Tensor.cuda):
            return self._moved(args[0], func is Tensor.cuda)
        if func is Tensor.to:
            return self._to(args, kwargs)
        if name == "_parse_to":  # inside nn.Module.to
            device, *rest = func(*args, **kwargs)
            like = _tensors((args, kwargs))
            return (GPU if like and on_gpu(like[0]) else device, *rest)
        if func == _SET_DATA:
            func(*args)
            _put(args[0], on_gpu(args[1]))
            return None
        return self._called(func, name, args, kwargs)

    def _called(self, func: Any, name: str, args: tuple[Any, ...], kwargs: dict) -> Any:
        chosen = _is_gpu(kwargs["device"]) if "device" in kwargs else None
        if chosen:
            kwargs["device"] = CPU
        given = _tensors((args, kwargs))
        sides = {on_gpu(tensor) for tensor in given if tensor.dim() > 0}
        if name == "__getitem__" and on_gpu(args[0]):  # indices may come from the processor
            sides = {True}
        if len(sides) > 1 and name not in _CROSSING and func != _SET_GRAD:
            raise Mixed(f"Expected all tensors to be on the same device, in {name}")
        out = func(*args, **kwargs)
        side = any(map(on_gpu, given)) if chosen is None else chosen
        if name == "__getitem__":
            side = on_gpu(args[0])
        for tensor in _tensors(out):
            if not any(tensor is one for one in given):
                _put(tensor, side)
        return out

    @staticmethod
    def _moved(tensor: Tensor, side: bool) -> Tensor:
        return tensor if on_gpu(tensor) == side else _put(tensor.clone(), side)

    def _to(self, args: tuple[Any, ...], kwargs: dict) -> Tensor:
        tensor, *rest = args
        side = on_gpu(tensor)
        for value in (*rest, *kwargs.values()):
            if isinstance(value, Tensor):
                side = on_gpu(value)
            elif isinstance(value, str | torch.device):
                side = _is_gpu(value)
        real = [CPU if _is_gpu(value) else value for value in rest]
        named = {key: CPU if _is_gpu(value) else value for key, value in kwargs.items()}
        out = Tensor.to(tensor, *real, **named)
        if side == on_gpu(tensor):
            return out if out is tensor else _put(out, side)
        return _put(out.clone() if out is tensor else out, side)


@contextlib.contextmanager
def virtual_gpu() -> Iterator[None]:
    """A machine with one GPU, as the training loop finds it."""
    from accelerate import Accelerator

    from attncourse.training import loop

    class OnGpu(Accelerator):
        @property
        def device(self) -> torch.device:
            return GPU

    def parameter(
        cls: type[nn.Parameter], data: Tensor | None = None, requires_grad: bool = True
    ) -> nn.Parameter:
        made = new_parameter(cls, data, requires_grad)
        return made if data is None else _put(made, on_gpu(data))  # type: ignore[return-value]

    new_parameter = nn.Parameter.__new__
    former = loop.default_accelerator, loop.device_name
    loop.default_accelerator = lambda: OnGpu(cpu=True)  # type: ignore[assignment]
    loop.device_name = lambda device: "virtual GPU"
    nn.Parameter.__new__ = staticmethod(parameter)  # type: ignore[assignment, method-assign]
    try:
        with _Sides():
            yield
    finally:
        loop.default_accelerator, loop.device_name = former
        nn.Parameter.__new__ = new_parameter  # type: ignore[method-assign]


# ---------------------------------------------------------------- a chapter on it

ROOT = Path(__file__).parents[1]
STEPS = 2


def notebook(chapter: str) -> tuple[list[str], int]:
    """What a GPU would refuse in the cells of a chapter, and how many cells ran to their end."""
    import matplotlib.pyplot as plt

    path = ROOT / "book" / f"{chapter}.ipynb"
    os.chdir(path.parent)
    scope: dict[str, Any] = {"__name__": "__main__"}
    refused, whole = [], 0
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for number, cell in enumerate(cells):
        if cell["cell_type"] != "code":
            continue
        # Level 1 leaves assertions out: they speak of trained networks.
        code = compile("".join(cell["source"]), f"cell {number}", "exec", optimize=1)
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, scope)
            whole += 1
        except Exception as error:
            refused += _refused(f"cell {number}", error)
        plt.close("all")
    return refused, whole


def experiments(chapter: str) -> list[str]:
    """What a GPU would refuse in one step of every network of a chapter's experiments."""
    from attncourse.datasets import DataError
    from attncourse.experiments import experiments_of

    refused = []
    for experiment in experiments_of(chapter):
        try:
            task = experiment.task()
        except DataError:  # real data are not everywhere
            continue
        for variant in experiment.variants:
            try:
                experiment.run(variant.name, 0, budget=experiment.budget(steps=1), task=task)
            except Exception as error:
                refused += _refused(f"{experiment.name}, {variant.name}", error)
    return refused


def benchmarks(chapter: str) -> list[str]:
    """What a GPU would refuse in a training step of a chapter's benchmarks, at the least size."""
    from benchmarks.cases import CASES
    from benchmarks.measure import forms_of, training_step

    refused = []
    for case in CASES:
        if case.chapter == chapter:
            forms, x = forms_of(case, next(iter(case.sizes.values())), device="cuda")
            for name, form in forms.items():
                try:
                    training_step(form, x)()
                except Exception as error:
                    refused += _refused(f"{case.name}, {name}", error)
    return refused


def _refused(where: str, error: Exception) -> list[str]:
    """One line if the error, or what led to it, is a mixture of sides."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, Mixed):
        cause = cause.__cause__ or cause.__context__
    if cause is None:
        return []
    frames = [f for f in traceback.extract_tb(cause.__traceback__) if f.filename != __file__]
    place = next((f for f in reversed(frames) if "torch" not in f.filename), frames[-1])
    return [f"{where}: {cause} ({Path(place.filename).name}, line {place.lineno})"]


def once(functions: dict[str, Callable[[], object]], **options: Any) -> dict[str, Any]:
    """Stands for ``measure.compare``: every function is called, and none is timed."""
    from attncourse.measure import Timing

    for function in functions.values():
        function()
    return {name: Timing(1.0, 0.0, 1) for name in functions}


def main(*chapters: str) -> int:
    """Print what would be refused, a line of JSON for each chapter."""
    import matplotlib

    from attncourse import measure
    from attncourse.catalog import CARDS
    from attncourse.training import loop

    matplotlib.use("Agg")
    os.environ["ATTNCOURSE_PROGRESS"] = "off"
    cut = lambda self: object.__setattr__(self, "steps", min(self.steps, STEPS))  # noqa: E731
    loop.Budget.__post_init__ = cut  # type: ignore[method-assign]  # before experiments are made
    measure.compare = once  # type: ignore[assignment]  # times mean nothing here
    for chapter in chapters:
        with virtual_gpu():
            refused, whole = notebook(chapter)
            if chapter in {card.chapter for card in CARDS}:
                refused += experiments(chapter) + benchmarks(chapter)
        print(json.dumps({"chapter": chapter, "refused": refused, "whole": whole}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
