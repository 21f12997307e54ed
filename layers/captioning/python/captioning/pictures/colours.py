"""Colours: from those of a picture's RGB profile to sRGB, which captioners are trained on.

Only the shrunk picture is converted, so that the time does not depend on the picture's size. A profile that cannot be
used is no reason to refuse a picture: its colours are then taken for sRGB's, as are those without a profile.
"""

from PIL import Image

# Source: ICC.1:2022, section 7.2.
_HEADER = 128
_SIGNATURE, _SIGNATURE_AT = b"acsp", 36
_CLASSES, _CLASS_AT = (b"mntr", b"scnr", b"prtr", b"spac"), 12
_RGB, _SPACE_AT = b"RGB ", 16
_SRGB = (b"sRGB", "sRGB".encode("utf-16-be"))
_RELATIVE_COLORIMETRIC, _BLACK_POINT = 1, 0x2000


def is_foreign(profile: bytes) -> bool:
    """Tell whether `profile` is of RGB colours other than sRGB's."""
    return (
        len(profile) > _HEADER
        and profile[_SIGNATURE_AT : _SIGNATURE_AT + 4] == _SIGNATURE
        and profile[_SPACE_AT : _SPACE_AT + 4] == _RGB
        and profile[_CLASS_AT : _CLASS_AT + 4] in _CLASSES
        and not any(name in profile for name in _SRGB)
    )


def to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Return an image of mode RGB or RGBa with its colours converted from those of `profile`."""
    # Not for pictures without a profile, which most are.
    from io import BytesIO  # noqa: PLC0415

    from PIL import ImageCms  # noqa: PLC0415

    has_opacity = image.mode == "RGBa"
    mode = "RGBA" if has_opacity else "RGB"
    try:
        transform = ImageCms.buildTransform(
            BytesIO(profile),
            ImageCms.createProfile("sRGB"),
            mode,
            mode,
            ImageCms.Intent(_RELATIVE_COLORIMETRIC),
            ImageCms.Flags(_BLACK_POINT),
        )
        converted = ImageCms.applyTransform(image.convert(mode), transform)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return image
    if converted is None:
        return image
    return converted.convert("RGBa") if has_opacity else converted
