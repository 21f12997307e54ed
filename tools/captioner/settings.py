"""What may be chosen for a training run, stage by stage; the defaults made the committed bundle.

Refuses values that cannot train. Each field's `help` is what the command line says of it.
"""

from dataclasses import dataclass, field

from tools.captioner.errors import SettingsError

__all__ = ["RewardSettings", "TrainingSettings"]


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How the decoder learns from people's captions. Raises SettingsError for a value that cannot train."""

    seed: int = field(
        default=1, metadata={"help": "of the first weights, of the order of the batches and of the draws"}
    )
    min_count: int = field(default=3, metadata={"help": "words said less often in the training captions are cut"})
    epochs: int = field(default=20, metadata={"help": "at most so many passes over the training captions"})
    patience: int = field(default=3, metadata={"help": "stop after so many epochs without a better validation loss"})
    batch_size: int = field(default=128, metadata={"help": "captions learned from at once"})
    learning_rate: float = field(
        default=2e-3, metadata={"help": "Adam's rate at the start; it falls to 0 along a cosine"}
    )
    dropout: float = field(
        default=0.5, metadata={"help": "share of the inputs of each layer that is left out while learning"}
    )
    label_smoothing: float = field(default=0.1, metadata={"help": "share of the probability spread over all words"})
    max_words: int = field(default=30, metadata={"help": "longer training captions are cut there"})

    def __post_init__(self) -> None:
        for name in ("min_count", "epochs", "patience", "batch_size", "max_words"):
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.seed < 0 or not 0 < self.learning_rate < 1:
            raise SettingsError("seed must not be negative, and learning_rate must lie between 0 and 1")
        if not 0 <= self.dropout < 1 or not 0 <= self.label_smoothing < 1:
            raise SettingsError("dropout and label_smoothing must be at least 0 and less than 1")


@dataclass(frozen=True, slots=True)
class RewardSettings:
    """How the trained decoder then learns from its own. Raises SettingsError for a value that cannot train."""

    reward_epochs: int = field(
        default=16,
        metadata={"help": "passes over the training pictures that learn from rewards; 0 leaves them out"},
    )
    reward_rate: float = field(default=5e-4, metadata={"help": "Adam's rate then; it falls to a tenth along a line"})
    pictures_at_once: int = field(default=50, metadata={"help": "pictures that rewards are learned from at once"})
    draws: int = field(default=5, metadata={"help": "captions drawn per picture and compared with each other"})
    cider_weight: float = field(default=0.8, metadata={"help": "weight of CIDEr-D beside BLEU-4's logarithm"})
    feature_dropout: float = field(
        default=0.5, metadata={"help": "share of a picture's features hidden while learning from rewards"}
    )
    averaging: float = field(default=0.99, metadata={"help": "share of the weights' mean that each step keeps"})

    def __post_init__(self) -> None:
        for name, least in (("reward_epochs", 0), ("pictures_at_once", 1), ("draws", 2), ("cider_weight", 0)):
            if not getattr(self, name) >= least:
                raise SettingsError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if not 0 < self.reward_rate < 1:
            raise SettingsError("reward_rate must lie between 0 and 1")
        for name in ("feature_dropout", "averaging"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(f"{name} must be at least 0 and less than 1, not {getattr(self, name)}")
