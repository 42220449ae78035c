"""What the four terms cost, in closed form, and which arguments are allowed."""

from __future__ import annotations

from attncourse.layers import whole


def head_width(channels: int, heads: int) -> int:
    """Width d of a head, ``max(1, channels // heads)``; raises where a size is impossible."""
    whole(channels=channels, heads=heads)
    if channels < 1:
        raise ValueError(f"channels={channels} must be at least 1: pass the width of x")
    if heads < 1:
        raise ValueError(f"heads={heads} must be at least 1")
    return max(1, channels // heads)


def code_width(channels: int, code_channels: int | None) -> int:
    """Width D of the relative code, half of it for each axis: c, rounded up to a multiple of 4."""
    if code_channels is None:
        return -(-channels // 4) * 4
    whole(code_channels=code_channels)
    if code_channels < 4 or code_channels % 4:
        raise ValueError(
            f"code_channels={code_channels} must be a multiple of 4: a sine and a cosine for rows, "
            f"and as many for columns"
        )
    return code_channels


def checked(terms: str, stride: int) -> None:
    """Raise a ``ValueError`` unless ``terms`` is four bits and ``stride`` at least 1."""
    whole(stride=stride)
    if not isinstance(terms, str) or len(terms) != 4 or set(terms) - {"0", "1"}:
        raise ValueError(
            f"terms={terms!r} must be four switches, such as '1111' or '0010': query and key, "
            f"query and place, key alone, place alone"
        )
    if stride < 1:
        raise ValueError(f"stride={stride} must be at least 1")


def parameter_count(
    channels: int,
    heads: int = 8,
    *,
    terms: str = "1111",
    code_channels: int | None = None,
    stride: int = 1,
) -> int:
    """Learned parameters: what the chosen terms need, values, the way back, and gamma."""
    checked(terms, stride)
    wide, code = heads * head_width(channels, heads), code_width(channels, code_channels)
    pair, asks, content, place = (int(bit) for bit in terms)
    query, key, lines = pair or asks, pair or content, asks or place
    learned = wide * channels * (2 + query + key) + wide * code * lines
    return learned + wide * (content + place) + channels + 1


def multiply_adds(
    height: int,
    width: int,
    channels: int,
    heads: int = 8,
    *,
    terms: str = "1111",
    code_channels: int | None = None,
    stride: int = 1,
) -> int:
    """Multiply-adds for one image, in the fast form.

    The fused kernel of a processor wants one width of queries, keys and values, so that the values
    are filled up with zeros, which are multiplied as well.
    """
    checked(terms, stride)
    d, code = head_width(channels, heads), code_width(channels, code_channels)
    wide, n = heads * d, height * width
    rows, columns = -(-height // stride), -(-width // stride)
    m = rows * columns
    pair, asks, content, place = (int(bit) for bit in terms)
    values = m * channels * wide
    if not (pair or asks or place):  # one map for all, and one vector read
        key = m * wide * (channels + 1) if content else 0
        return values + key + m * wide + wide * channels + channels
    query = n * channels * wide if pair or asks else 0
    key = m * channels * wide if pair or content else 0
    lines, longer = 0, 0
    if asks or place:
        reach = height + width + stride * (rows + columns - 2)
        lines = reach * (code // 2) * wide + n * wide * (rows + columns)
        longer = rows + columns
    long = max(longer + (d if pair or content else 0), d)
    back = n * wide * channels + n * channels
    return values + query + key + lines + 2 * heads * n * m * long + back
