"""Whites: which level is white in a picture of more than 8 bits per sample.

Files say how many bits a sample takes and seldom how many it uses: scanners and cameras of 12 bits write 16. So in 16,
32 and 64 bits the white is the smallest of 2^8 - 1, 2^10 - 1, 2^12 - 1, 2^14 - 1, 2^16 - 1 and the container's own
largest level that no sample exceeds. Other depths are what the file says. In floats it is the smallest of 1, 255 and
65535, where levels up to 16 are highlights beyond a white of 1; else the largest level.
"""

_USED_BITS = (8, 10, 12, 14, 16)
_CONTAINERS = frozenset((15, 16, 31, 32, 63, 64))
_FLOAT_WHITES = ((16.0, 1.0), (255.0, 255.0), (65535.0, 65535.0))


def used_bits(highest: float, bits: int) -> int:
    """Return how many of `bits` samples use, of which the highest is `highest`."""
    if bits not in _CONTAINERS:
        return bits
    return next((used for used in _USED_BITS if used < bits and highest < 1 << used), bits)


def integer_white(highest: float, bits: int) -> float:
    """Return the white of whole numbers of `bits`, without a sign's; `highest` is the largest of them."""
    return float((1 << used_bits(highest, bits)) - 1)


def float_white(highest: float) -> float:
    """Return the white of floats, of which `highest` is the largest."""
    return next((white for most, white in _FLOAT_WHITES if highest <= most), highest)
