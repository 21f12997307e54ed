"""What can go wrong in the captioner's tools.

CaptionerToolError      shown by the command line as one line, without a traceback
├── ArchiveError        a weights archive that is damaged, hostile or not InceptionV3
├── KerasFileError      a Keras file that is damaged or hostile, or a model of another architecture
├── TokenizerError      a tokenizer that is damaged or hostile, or does not fit the model
├── DatasetError        a data folder or file that is not as described
├── BundleError         a bundle that is incomplete, too large or does not do what its source does
├── PublicationError    what is published at a place cannot be moved as asked
└── ToolchainError      a package that the command needs is not installed
"""

__all__ = [
    "ArchiveError",
    "BundleError",
    "CaptionerToolError",
    "DatasetError",
    "KerasFileError",
    "PublicationError",
    "SettingsError",
    "TokenizerError",
    "ToolchainError",
]


class CaptionerToolError(Exception):
    """The command cannot go on; the text says why and what to do about it."""


class ArchiveError(CaptionerToolError):
    """The weights archive is damaged, hostile or holds another network: give another file."""


class KerasFileError(CaptionerToolError):
    """The Keras file is damaged, hostile or holds a model that cannot be converted: the text says what was found."""


class TokenizerError(CaptionerToolError):
    """The tokenizer is damaged, hostile or does not fit the model: give the one that the model was trained with."""


class DatasetError(CaptionerToolError):
    """The data folder is not as described: mend or complete it."""


class BundleError(CaptionerToolError):
    """What was built is not fit to be served: nothing was left in its place."""


class PublicationError(CaptionerToolError):
    """What is published stays as it is: the text says what is in the way."""


class SettingsError(CaptionerToolError):
    """A setting cannot train: choose another value."""


class ToolchainError(CaptionerToolError):
    """A package is missing: install the requirements file that the text names."""
