"""What may be chosen for a training run, stage by stage; the defaults made the committed bundle.

Refuses values that cannot train. Each field's `help` is what the command line says of it.
"""

from dataclasses import dataclass, field

from tools.captioner.errors import SettingsError

__all__ = ["ProductSettings", "RewardSettings", "TrainingSettings"]


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How the decoder learns from people's captions. Raises SettingsError for a value that cannot train."""

    seed: int = field(
        default=1, metadata={"help": "of the first weights, of the order of the batches and of the draws"}
    )
    min_count: int = field(default=8, metadata={"help": "words said less often in the training captions are cut"})
    epochs: int = field(
        default=16, metadata={"help": "at most so many passes over the training captions, over which the rate falls"}
    )
    stop_after: int = field(
        default=8, metadata={"help": "end after so many passes, with the rate still high: rewards go on from there"}
    )
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
        for name in ("min_count", "epochs", "stop_after", "patience", "batch_size", "max_words"):
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
        default=8,
        metadata={"help": "passes over the training pictures that learn from rewards; 0 leaves them out"},
    )
    reward_rate: float = field(default=5e-4, metadata={"help": "Adam's rate then; it falls to a tenth along a line"})
    pictures_at_once: int = field(default=50, metadata={"help": "pictures that rewards are learned from at once"})
    draws: int = field(default=5, metadata={"help": "captions drawn per picture and compared with each other"})
    cider_weight: float = field(default=1.5, metadata={"help": "weight of CIDEr-D beside BLEU-4's logarithm"})
    grammar_weight: float = field(
        default=0.4,
        metadata={"help": "what a word triple or an ending that no reference has costs, and a missing verb"},
    )
    example_weight: float = field(default=0.1, metadata={"help": "weight of learning from people's captions meanwhile"})
    feature_dropout: float = field(
        default=0.5, metadata={"help": "share of a picture's features hidden while learning from rewards"}
    )
    averaging: float = field(default=0.99, metadata={"help": "share of the weights' mean that each step keeps"})

    def __post_init__(self) -> None:
        for name, least in (
            ("reward_epochs", 0),
            ("pictures_at_once", 1),
            ("draws", 2),
            ("cider_weight", 0),
            ("grammar_weight", 0),
            ("example_weight", 0),
        ):
            if not getattr(self, name) >= least:
                raise SettingsError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if not 0 < self.reward_rate < 1:
            raise SettingsError("reward_rate must lie between 0 and 1")
        for name in ("feature_dropout", "averaging"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(f"{name} must be at least 0 and less than 1, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class ProductSettings:
    """Which decoders become one, and when it is sure. Raises SettingsError for values that cannot be."""

    members: int = field(
        default=2, metadata={"help": "decoders that are trained, each with the next seed; their product is served"}
    )
    people_weight: float = field(
        default=0.3,
        metadata={"help": "weight in the product of the decoders as they were before they learned from rewards"},
    )
    decoder_bits: int = field(default=8, metadata={"help": "8 for kernels in 8 bits, 32 for float32, which is exact"})
    sure_from: float = field(default=0.3, metadata={"help": "probability from which the captioner says it is sure"})

    def __post_init__(self) -> None:
        if self.members < 1:
            raise SettingsError(f"members must be at least 1, not {self.members}")
        if not 0 <= self.people_weight < 1 or not 0 <= self.sure_from <= 1:
            raise SettingsError("people_weight must be at least 0 and less than 1, and sure_from lie within 0 to 1")
        if self.decoder_bits not in {8, 32}:
            raise SettingsError(f"decoder_bits must be 8 or 32, not {self.decoder_bits}")
