"""Exercises on the four terms that ask for a function: the scores, and places told apart."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from attncourse.exercises.compare import Tolerance
from attncourse.exercises.exercise import Misconception
from attncourse.exercises.function import Case, FunctionExercise
from attncourse.exercises.recipe import recipe

CHAPTER = "spatial/four_terms"
Draw = Callable[[torch.Generator], dict[str, Tensor]]
Function = Callable[..., Tensor]
Term = Callable[..., Tensor]

# 1. The scores ---------------------------------------------------------------------------


def _parts(n: int, d: int, loud: float = 1.0) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        def randn(*shape: int) -> Tensor:
            return loud * torch.randn(shape, generator=generator, dtype=torch.float64)

        return {
            "q": randn(n, d), "k": randn(n, d), "rho": randn(n, n, d),
            "u": randn(d), "u_place": randn(d),
        }  # fmt: skip

    return draw


def _none(*given: Tensor) -> Tensor:
    return given[0].new_zeros(())


@recipe
def _scores(
    *,
    pair: Term = lambda q, k: q @ k.mT,
    asks: Term = lambda q, rho: torch.einsum("id,ijd->ij", q, rho),
    key: Term = lambda u, k: (k @ u)[None, :],
    place: Term = lambda u, rho: rho @ u,
    scale: Callable[[int], float] = lambda d: 1.0,
    swapped: bool = False,
) -> Function:
    """Equation (1) with all switches on; each argument changes one step."""

    def scores(q: Tensor, k: Tensor, rho: Tensor, u: Tensor, u_place: Tensor) -> Tensor:
        if swapped:
            u, u_place = u_place, u
        total = pair(q, k) + asks(q, rho) + key(u, k) + place(u_place, rho)
        return total / scale(q.shape[1])

    return scores


def _in_two_products(q: Tensor, k: Tensor, rho: Tensor, u: Tensor, u_place: Tensor) -> Tensor:
    """The two questions added up first."""
    return (q + u) @ k.mT + torch.einsum("id,ijd->ij", q + u_place, rho)


def _in_loops(q: Tensor, k: Tensor, rho: Tensor, u: Tensor, u_place: Tensor) -> Tensor:
    rows = []
    for i in range(len(q)):
        row = [
            q[i] @ k[j] + q[i] @ rho[i, j] + u @ k[j] + u_place @ rho[i, j] for j in range(len(k))
        ]
        rows.append(torch.stack(row))
    return torch.stack(rows)


SCORES = FunctionExercise(
    chapter=CHAPTER,
    name="scores",
    title="Write the four terms",
    level=1,
    task="Write `scores(q, k, rho, u, u_place)`: the sum (1) of all four terms, (n, n), where row "
    "i asks. q and k are (n, d), rho is (n, n, d) with the code of j as seen from i in rho[i, j], "
    "and u and u_place, which is u', are (d,).",
    hints=(
        "Row i of the first term is q[i] times every k[j]: `q @ k.mT`.",
        "The second multiplies q[i] with rho[i, j] and sums over d: an einsum 'id,ijd->ij'.",
        "The third is one number for each key, the same in every row: `k @ u`, which spreads over "
        "rows by itself. The fourth is `rho @ u_place`.",
    ),
    explanation="Two products would do: (q + u) with the keys, and (q + u') with the codes.",
    reference=_scores(),
    alternatives=(_in_two_products, _in_loops),
    cases=(
        Case("plain", _parts(4, 3)),
        Case("as many numbers as positions", _parts(3, 3)),
        Case("one position", _parts(1, 4)),
        Case("large values", _parts(3, 2, loud=100.0)),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-9),
    misconceptions=(
        Misconception(
            "the key's term in a column",
            "u·k_j belongs to the one who is asked, so it is the same down a column: add it as a "
            "row, `(k @ u)[None, :]`.",
            _scores(key=lambda u, k: (k @ u)[:, None]),
        ),
        Misconception(
            "codes seen from the other end",
            "You read rho[j, i], the place of the one who asks as seen from the one who is asked.",
            _scores(asks=lambda q, rho: torch.einsum("id,jid->ij", q, rho)),
            (
                _scores(
                    asks=lambda q, rho: torch.einsum("id,jid->ij", q, rho),
                    place=lambda u, rho: (rho @ u).mT,
                ),
            ),
        ),
        Misconception(
            "the asked one's query",
            "It is the one who asks, i, whose query meets rho[i, j]; you took the query of j.",
            _scores(asks=lambda q, rho: torch.einsum("jd,ijd->ij", q, rho)),
        ),
        Misconception(
            "u and u' exchanged",
            "u asks of contents, u' of places. You have them the other way round.",
            _scores(swapped=True),
        ),
        Misconception(
            "no third term",
            "The key alone is missing: u·k_j, the same for every row.",
            _scores(key=_none),
        ),
        Misconception(
            "no fourth term",
            "The place alone is missing: u'·rho[i, j].",
            _scores(place=_none),
        ),
        Misconception(
            "no first term",
            "The query meets contents as well: q_i·k_j is missing.",
            _scores(pair=_none),
        ),
        Misconception(
            "no second term",
            "The query meets places as well: q_i·rho[i, j] is missing.",
            _scores(asks=_none),
        ),
        Misconception(
            "scaled scores",
            "You divide by the root of d. Equation (1) does not, and neither does the code.",
            _scores(scale=lambda d: d**0.5),
        ),
        Misconception(
            "products the other way round",
            "Row i asks. You have k_i·q_j in the first term.",
            _scores(pair=lambda q, k: k @ q.mT),
        ),
    ),
)

# 2. Relative from absolute ---------------------------------------------------------------


def _waves(n: int, f: int, far: int = 20) -> Draw:
    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        return {
            "r": torch.randn(n, 2 * f, generator=generator, dtype=torch.float64),
            "place": torch.randint(-far, far, (n,), generator=generator).double(),
            "wave": torch.rand(f, generator=generator, dtype=torch.float64) + 0.1,
        }

    return draw


@recipe
def _turned(
    *,
    sign: float = 1.0,
    on_sine: tuple[float, float] = (1.0, 1.0),
    on_cosine: tuple[float, float] = (-1.0, 1.0),
    order: Callable[[Tensor, Tensor], Tensor] = lambda s, c: torch.cat([s, c], dim=1),
    angle: Callable[[Tensor, Tensor], Tensor] = lambda place, wave: place[:, None] * wave,
) -> Function:
    """The absolute query of exercise 4; each argument changes one step."""

    def turned(r: Tensor, place: Tensor, wave: Tensor) -> Tensor:
        of_sine, of_cosine = r.chunk(2, dim=1)
        at = sign * angle(place, wave)
        sine = on_sine[0] * of_sine * at.cos() + on_sine[1] * of_cosine * at.sin()
        cosine = on_cosine[0] * of_sine * at.sin() + on_cosine[1] * of_cosine * at.cos()
        return order(sine, cosine)

    return turned


def _by_complex_numbers(r: Tensor, place: Tensor, wave: Tensor) -> Tensor:
    of_sine, of_cosine = r.chunk(2, dim=1)
    at = place[:, None] * wave
    both = torch.complex(of_cosine, of_sine) * torch.polar(torch.ones_like(at), at)
    return torch.cat([both.imag, both.real], dim=1)


def _by_matrices(r: Tensor, place: Tensor, wave: Tensor) -> Tensor:
    at = place[:, None] * wave
    s, c = at.sin(), at.cos()
    turn = torch.stack([torch.stack([c, s], -1), torch.stack([-s, c], -1)], -2)  # n f 2 2
    pairs = torch.stack(r.chunk(2, dim=1), dim=-1)[..., None]  # n f 2 1
    return torch.cat((turn @ pairs)[..., 0].unbind(dim=-1), dim=1)


TURNED = FunctionExercise(
    chapter=CHAPTER,
    name="turned",
    title="Derive: relative from absolute",
    level=3,
    task="Along one axis position i gives the displacement ζ_j - ζ_i the number r_i·R(ζ_j - ζ_i), "
    "where R holds sin(wave · displacement) for every wave, then the cosines. Write "
    "`turned(r, place, wave)`: a query, (n, 2f), whose product with R(ζ_j) is r_i·R(ζ_j - ζ_i) for "
    "all i and j. r is (n, 2f), place holds the ζ, (n,), and wave is (f,).",
    hints=(
        "sin(a - b) = sin a cos b - cos a sin b, and cos(a - b) = cos a cos b + sin a sin b, with "
        "a for the one who is asked.",
        "Collect what stands before sin a: r_sine cos b + r_cosine sin b.",
        "And before cos a: r_cosine cos b - r_sine sin b. The angle b is place times wave.",
    ),
    explanation="So every key needs one code of its own place, and no pair needs anything: a "
    "relative score is a product of two absolute codes. Rotary position codes rest on this.",
    reference=_turned(),
    alternatives=(_by_complex_numbers, _by_matrices),
    cases=(
        Case("plain", _waves(5, 3)),
        Case("one wave", _waves(4, 1)),
        Case("one position", _waves(1, 2)),
        Case("far places", _waves(4, 2, far=500)),
    ),
    tolerance=Tolerance(relative=1e-6, absolute=1e-9),
    misconceptions=(
        Misconception(
            "turned the other way",
            "Yours gives r_i·R(ζ_j + ζ_i). The place of the one who asks is subtracted.",
            _turned(sign=-1.0),
        ),
        Misconception(
            "cosines first",
            "R has the sines first. You put what belongs to the cosines there.",
            _turned(order=lambda s, c: torch.cat([c, s], dim=1)),
        ),
        Misconception(
            "the sign of the sine's part",
            "cos a gets - r_sine sin b, because sin(a - b) has a minus. Yours has a plus.",
            _turned(on_cosine=(1.0, 1.0)),
        ),
        Misconception(
            "the sign of the cosine's part",
            "sin a gets + r_cosine sin b, because cos(a - b) has a plus. Yours has a minus.",
            _turned(on_sine=(1.0, -1.0)),
        ),
        Misconception(
            "nothing turned",
            "You return r itself, which knows nothing of the place of the one who asks.",
            _turned(sign=0.0),
        ),
        Misconception(
            "half of it",
            "Each of the two parts is a sum of two products; you kept the one with the cosine.",
            _turned(on_sine=(1.0, 0.0), on_cosine=(0.0, 1.0)),
        ),
        Misconception(
            "divided by the wave",
            "The angle is place times wave here, not place over wave.",
            _turned(angle=lambda place, wave: place[:, None] / wave),
        ),
    ),
)
