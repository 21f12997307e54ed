"""The errors of the captioner's tools.

CaptionerToolError      the command line shows it as one line, without a traceback
├── WeightsArchiveError a weights archive that is damaged, hostile or not InceptionV3
├── KerasFileError      a Keras file that is damaged or hostile, or a model of another architecture
├── TokenizerError      a tokenizer that is damaged or hostile, or does not fit the model
├── DatasetError        a data folder or file that is not as described
├── UnfitBundleError    a bundle that was made here and is incomplete, too large or differs from its source
├── PublicationError    a publication cannot be changed as asked
├── SettingsError       a value of an option that cannot be used
└── ToolchainError      a package that the command needs is not installed

`captioning.errors.BundleError` is another: the serving layer raises it for a bundle that it cannot use.
"""

__all__ = [
    "CaptionerToolError",
    "DatasetError",
    "KerasFileError",
    "PublicationError",
    "SettingsError",
    "TokenizerError",
    "ToolchainError",
    "UnfitBundleError",
    "WeightsArchiveError",
]


class CaptionerToolError(Exception):
    """The command cannot go on; the text says why and what to do about it."""


class WeightsArchiveError(CaptionerToolError):
    """The weights archive is damaged, hostile or holds another network: give another file."""


class KerasFileError(CaptionerToolError):
    """The Keras file is damaged, hostile or holds a model that cannot be converted: the text says what was found."""


class TokenizerError(CaptionerToolError):
    """The tokenizer is damaged, hostile or does not fit the model: give the one that the model was trained with."""


class DatasetError(CaptionerToolError):
    """The data folder is not as described: mend or complete it."""


class UnfitBundleError(CaptionerToolError):
    """The bundle that was made cannot be served; nothing was written in its place."""


class PublicationError(CaptionerToolError):
    """The publication was not changed; the text says why."""


class SettingsError(CaptionerToolError):
    """A setting cannot train: choose another value."""


class ToolchainError(CaptionerToolError):
    """A package is missing: install the requirements file that the text names."""
