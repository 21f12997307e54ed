"""Which TIFFs are read, and who decodes them: Pillow, or our own decoder of samples by the `Layout` that is made here.

Pillow decodes the kinds that it is known to decode right, which are the usual ones. Our own decoder takes the others
that have plain samples: other depths and number formats, planes, palettes of 8 bits, YCbCr. What is left is refused by
its name. Sources: TIFF 6.0; Technical Note 3 (predictor of floats); libtiff's list of compressions.
"""

from collections.abc import Mapping
from typing import NamedTuple

from captioning.errors import NotAPictureError
from captioning.pictures.formats import tiff_directory as tags
from captioning.pictures.formats.foreign import RAW_PICTURE, refusal
from captioning.pictures.formats.tiff_directory import Directory, contradiction

_BILEVEL = frozenset((2, 3, 4, 32771))  # CCITT's
_CODED = frozenset((6, 7, 50001))  # JPEG as TIFF 6.0 had it, JPEG, WebP: a picture in each strip or tile
_PLAIN = frozenset((1, 5, 8, 32773, 32946, 34925, 50000))  # none, LZW, Deflate, PackBits, Deflate, LZMA, Zstandard
_COMPRESSIONS: Mapping[int, str] = {
    9: "JBIG", 10: "JBIG", 34661: "JBIG", 22610: "JPEG XR", 34934: "JPEG XR", 33003: "JPEG 2000", 33004: "JPEG 2000",
    33005: "JPEG 2000", 34712: "JPEG 2000", 34676: "SGI's logarithms", 34677: "SGI's logarithms", 34887: "LERC",
    34892: "lossy DNG", 34933: "PNG", 50002: "JPEG XL", 52546: "JPEG XL", 32766: "NeXT's runs", 32809: "ThunderScan",
}  # fmt: skip
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _SEPARATED, _YCBCR = 0, 1, 2, 3, 5, 6
_BASE = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _SEPARATED: 4, _YCBCR: 3}
_COLOUR_SPACES: Mapping[int, str] = {
    4: "a mask of transparency", 8: "CIE L*a*b*", 9: "ICC L*a*b*", 10: "ITU L*a*b*", 32844: "SGI's LogL",
    32845: "SGI's LogLuv", 51177: "a depth map", 52527: "a photometric mask",
}  # fmt: skip
_CAMERA_RAW = frozenset((32803, 34892))  # the colour filter array, and what is made of it
RAW = refusal(RAW_PICTURE)

UNDEFINED = 4
"""The number format of samples of which nothing is said: whole numbers, as where the entry is left out."""
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3
_FORMS: Mapping[int, str] = {5: "complex whole numbers", 6: "complex floats"}
_DEPTHS: Mapping[int, frozenset[int]] = {
    _UNSIGNED: frozenset((*range(1, 33), 64)),
    _SIGNED: frozenset((8, 16, 32, 64)),
    _FLOAT: frozenset((16, 32, 64)),
}
_NO_PREDICTOR, _DIFFERENCES, _FLOAT_DIFFERENCES = 1, 2, 3
_WORDS = frozenset((8, 16, 32, 64))
_SEPARATE = 2
_CMYK = 1
_BITS = 8
_OPACITY = 2
_COREL = 999


class Layout(NamedTuple):
    """How the samples of a TIFF lie in its file. Numbers with names are those of TIFF 6.0.

    `bits` is per sample; `form` is 1 for whole numbers, 2 for signed ones, 3 for floats; `extra` says what each sample
    beyond the colours' means: 1 is opacity by which the colours are multiplied, 2 opacity, others nothing. A segment is
    a strip or a tile, of `across` x `down` pixels; those of the first plane come first. `subsampling`, `coefficients`
    and `references` are YCbCr's, `colours` the palette, whose reds come first.
    """

    order: str
    width: int
    height: int
    photometric: int
    samples: int
    bits: int
    form: int
    extra: tuple[int, ...]
    planar: bool
    compression: int
    predictor: int
    fill_order: int
    tiled: bool
    across: int
    down: int
    offsets: tuple[int, ...]
    sizes: tuple[int, ...]
    colours: tuple[int, ...]
    subsampling: tuple[int, int]
    coefficients: tuple[float, ...]
    references: tuple[float, ...]

    @property
    def base(self) -> int:
        """The number of samples that are colours."""
        return _BASE[self.photometric]

    @property
    def compressed(self) -> bool:
        """Whether the samples are compressed."""
        return self.compression != 1


def refuse_raw(photometric: int) -> None:
    """Refuse what a camera's sensor saw.

    Raises:
        NotAPictureError: `photometric` is that of raw pictures.
    """
    if photometric in _CAMERA_RAW:
        raise NotAPictureError(RAW)


def layout_of(directory: Directory, *, across: int, down: int, tiled: bool) -> Layout | None:
    """Return the layout of the samples, for our own decoder; None if Pillow decodes the picture.

    `across` and `down` are the sides of a strip or tile.

    Raises:
        NotAPictureError: neither does; the message names the kind.
        DamagedPictureError: the entries contradict each other.
    """
    compression = directory.number(tags.COMPRESSION, 1)
    if compression not in _BILEVEL | _CODED | _PLAIN:
        raise _unread(f"compressed by {_COMPRESSIONS.get(compression, f'the method {compression}')}")
    photometric = _photometric(directory, compression)
    refuse_raw(photometric)
    if photometric not in _BASE:
        raise _unread(f"of the kind {_COLOUR_SPACES.get(photometric, f'{photometric} (photometric interpretation)')}")
    samples = directory.number(tags.SAMPLES, 1)
    form, bits = _alike(directory, tags.FORM, _UNSIGNED, "number formats"), _alike(directory, tags.BITS, 1, "depths")
    form = _UNSIGNED if form == UNDEFINED else form
    if samples < _BASE[photometric]:
        raise contradiction(f"it has {samples} samples per pixel, and its colours need {_BASE[photometric]}")
    inks = directory.number(tags.INKS, _BASE[_SEPARATED])
    if photometric == _SEPARATED and (directory.number(tags.INK_SET, _CMYK), inks) != (_CMYK, _BASE[_SEPARATED]):
        raise _unread("in inks other than cyan, magenta, yellow and black")
    if compression in _CODED:
        if bits != _BITS:
            raise _unread(f"of JPEG or WebP with {bits} bits per sample")
        return None
    if compression in _BILEVEL:
        if bits != 1 or samples != 1:
            raise contradiction("it is compressed as a fax, and is none")
        return None
    extra = _extra(directory, samples - _BASE[photometric], photometric)
    layout = Layout(
        order=directory.form.order,
        width=directory.number(tags.WIDTH, 0),
        height=directory.number(tags.HEIGHT, 0),
        photometric=photometric,
        samples=samples,
        bits=bits,
        form=form,
        extra=extra,
        planar=samples > 1 and directory.number(tags.PLANAR, 1) == _SEPARATE,
        compression=compression,
        # Like libtiff: the methods that can have one.
        predictor=_NO_PREDICTOR if compression in {1, 32773} else directory.number(tags.PREDICTOR, _NO_PREDICTOR),
        fill_order=directory.number(tags.FILL_ORDER, 1),
        tiled=tiled,
        across=across,
        down=down,
        offsets=directory.numbers(tags.TILE_OFFSETS if tiled else tags.STRIP_OFFSETS),
        sizes=directory.numbers(tags.TILE_SIZES if tiled else tags.STRIP_SIZES),
        colours=directory.numbers(tags.COLOURS),
        subsampling=_subsampling(directory),
        coefficients=_three(directory.fractions(tags.COEFFICIENTS)) or (0.299, 0.587, 0.114),
        references=_six(directory.fractions(tags.REFERENCES)) or (0.0, 255.0, 128.0, 255.0, 128.0, 255.0),
    )
    # Where the entry is left out, Pillow takes white for 0.
    if _is_usual(layout) and tags.PHOTOMETRIC in directory.entries:
        return None
    _check(layout)
    return layout


def _photometric(directory: Directory, compression: int) -> int:
    """Return what the samples mean; where the entry is left out, what libtiff takes them for."""
    said = directory.numbers(tags.PHOTOMETRIC)
    if said:
        return said[0]
    if compression in _BILEVEL | _CODED:
        return _WHITE_IS_ZERO
    return _RGB if directory.number(tags.SAMPLES, 1) >= _BASE[_RGB] else _BLACK_IS_ZERO


def _alike(directory: Directory, tag: int, default: int, what: str) -> int:
    """Return the value of `tag`, which all samples must have."""
    found = set(directory.numbers(tag)) or {default}
    if len(found) > 1:
        raise _unread(f"whose samples have different {what} ({', '.join(map(str, directory.numbers(tag)))})")
    return found.pop()


def _extra(directory: Directory, count: int, photometric: int) -> tuple[int, ...]:
    """Return what the samples mean that are no colours."""
    said = directory.numbers(tags.EXTRA)
    if not said and count == 1 and photometric == _RGB:
        # Programs that leave the entry out mean opacity.
        said = (_OPACITY,)
    found = (*said, *[0] * count)[:count]
    return tuple(_OPACITY if kind == _COREL else kind for kind in found)


def _subsampling(directory: Directory) -> tuple[int, int]:
    found = directory.numbers(tags.SUBSAMPLING)
    return (found[0], found[1]) if len(found) > 1 else (2, 2)


def _three(found: tuple[float, ...]) -> tuple[float, ...]:
    return found if len(found) == 3 and all(found) else ()  # noqa: PLR2004 - red, green, blue


def _six(found: tuple[float, ...]) -> tuple[float, ...]:
    """Return pairs of black and white, if no pair is one level."""
    whole = len(found) == 6 and all(low != high for low, high in zip(found[::2], found[1::2], strict=True))  # noqa: PLR2004
    return found if whole else ()


def _is_usual(layout: Layout) -> bool:
    """Tell whether Pillow decodes pictures of this layout right."""
    if layout.form != _UNSIGNED or layout.fill_order != 1 or layout.planar or layout.predictor > _DIFFERENCES:
        return False
    if layout.predictor == _DIFFERENCES and layout.bits != _BITS:
        return False
    if layout.photometric == _PALETTE:
        # Some programs write levels of 8 bits into the palette, whose levels have 16.
        return not layout.extra and layout.bits in {1, 4, 8} and max(layout.colours, default=0) > 255  # noqa: PLR2004
    if layout.photometric in {_WHITE_IS_ZERO, _BLACK_IS_ZERO}:
        return not layout.extra and layout.bits in {1, _BITS}
    if layout.photometric == _RGB:
        return layout.bits == _BITS and (not layout.extra or (len(layout.extra) == 1 and layout.extra[0] in {0, 1, 2}))
    return layout.photometric == _SEPARATED and layout.bits == _BITS and not layout.extra


def _check(layout: Layout) -> None:
    """Refuse what our own decoder does not read.

    Raises:
        NotAPictureError, DamagedPictureError: as `layout_of`.
    """
    if layout.form not in _DEPTHS:
        raise _unread(f"of {_FORMS.get(layout.form, f'the number format {layout.form}')}")
    if layout.bits not in _DEPTHS[layout.form]:
        name = {_UNSIGNED: "unsigned", _SIGNED: "signed", _FLOAT: "float"}[layout.form]
        raise _unread(f"with {name} samples of {layout.bits} bits")
    if layout.predictor not in {_NO_PREDICTOR, _DIFFERENCES, _FLOAT_DIFFERENCES} or (
        layout.predictor == _FLOAT_DIFFERENCES and layout.form != _FLOAT
    ):
        raise _unread(f"with the predictor {layout.predictor} for this number format")
    if layout.predictor != _NO_PREDICTOR and layout.bits not in _WORDS:
        raise _unread(f"with a predictor for {layout.bits} bits per sample")
    if layout.photometric in {_PALETTE, _SEPARATED, _YCBCR}:
        _check_colours(layout)


def _check_colours(layout: Layout) -> None:
    name = {_PALETTE: "palettes", _SEPARATED: "CMYK", _YCBCR: "YCbCr"}[layout.photometric]
    depths = {_PALETTE: range(1, 17), _SEPARATED: (8, 16), _YCBCR: (8,)}[layout.photometric]
    if layout.form != _UNSIGNED or layout.bits not in depths:
        raise _unread(f"in {name} with samples of {layout.bits} bits of this number format")
    if layout.photometric == _PALETTE and len(layout.colours) != 3 << layout.bits:
        raise contradiction(f"its palette has {len(layout.colours)} levels, and {3 << layout.bits} make it up")
    if layout.photometric != _YCBCR or layout.subsampling == (1, 1):
        return
    if not {*layout.subsampling} <= {1, 2, 4} or layout.planar or layout.extra or layout.predictor != _NO_PREDICTOR:
        raise _unread("in YCbCr with such samples of colour")
    if layout.down % layout.subsampling[1] and layout.down < layout.height:
        raise contradiction("its strips or tiles cut through samples of colour")


def _unread(what: str) -> NotAPictureError:
    return NotAPictureError(f"TIFFs {what} are not read")
