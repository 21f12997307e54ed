"""What may be chosen for a training run, stage by stage; the defaults made the committed bundle.

Refuses values that cannot train. Each field's `help` is what the command line says of it.
"""

from dataclasses import dataclass, field, replace

from tools.captioner.errors import SettingsError

__all__ = ["AdaptationSettings", "GrammarSettings", "ProductSettings", "Recipe", "RewardSettings", "TrainingSettings"]


@dataclass(frozen=True, slots=True)
class AdaptationSettings:
    """How the encoder learns what people say of pictures. Raises SettingsError for a value that cannot train."""

    adapt_epochs: int = field(
        default=5,
        metadata={
            "help": "passes over the training pictures in which the encoder learns what people say of them, if DATA "
            "has the pictures; 0 leaves it as ImageNet made it"
        },
    )
    adapt_rate: float = field(default=5e-5, metadata={"help": "Adam's highest rate meanwhile"})
    adapt_seed: int = field(default=1, metadata={"help": "of the views of the pictures and their order meanwhile"})

    def __post_init__(self) -> None:
        if self.adapt_epochs < 0 or self.adapt_seed < 0:
            raise SettingsError("adapt_epochs and adapt_seed must not be negative")
        if not 0 < self.adapt_rate < 1:
            raise SettingsError("adapt_rate must lie between 0 and 1")


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """How the decoder learns from people's captions. Raises SettingsError for a value that cannot train."""

    seed: int = field(
        default=1, metadata={"help": "of the first weights, of the order of the batches and of the draws"}
    )
    min_count: int = field(default=8, metadata={"help": "words said less often in the training captions are cut"})
    epochs: int = field(default=14, metadata={"help": "at most so many passes over the training captions"})
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
    """How the trained decoder then learns from its own. Raises SettingsError for a value that cannot train.

    The two weights without a help of their own belong to the stage after this one: see `GrammarSettings`.
    """

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
    view_share: float = field(
        default=0.5,
        metadata={"help": "share of the pictures that are seen cut or mirrored then, where --views made such features"},
    )
    averaging: float = field(default=0.99, metadata={"help": "share of the weights' mean that each step keeps"})
    grammar_weight: float = 0.0
    example_weight: float = 0.0

    def __post_init__(self) -> None:
        for name, least in (("reward_epochs", 0), ("pictures_at_once", 1), ("draws", 2), ("cider_weight", 0)):
            if not getattr(self, name) >= least:
                raise SettingsError(f"{name} must be at least {least}, not {getattr(self, name)}")
        if not 0 < self.reward_rate < 1:
            raise SettingsError("reward_rate must lie between 0 and 1")
        if not 0 <= self.view_share <= 1:
            raise SettingsError(f"view_share must lie within 0 to 1, not {self.view_share}")
        for name in ("feature_dropout", "averaging"):
            if not 0 <= getattr(self, name) < 1:
                raise SettingsError(f"{name} must be at least 0 and less than 1, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class GrammarSettings:
    """How it learns in the end to say sentences: several times, each from the same start, with the nth value of each.

    A single value is that of every one of these ends. What the ends are is multiplied (see `ProductSettings`). Raises
    SettingsError for a value that cannot train.
    """

    grammar_epochs: tuple[int, ...] = field(
        default=(1,),
        metadata={"help": "last passes, in which rewards know grammar, one value per decoder; 0 leaves them out"},
    )
    grammar_rate: tuple[float, ...] = field(
        default=(3e-4, 5e-4), metadata={"help": "Adam's rates then, which fall to a tenth along a line"}
    )
    grammar_cider_weight: tuple[float, ...] = field(default=(1.5, 3.0), metadata={"help": "weights of CIDEr-D then"})
    grammar_weight: tuple[float, ...] = field(
        default=(0.4, 0.8),
        metadata={"help": "what a foreign word triple or ending, a missing verb and somebody in a ball cost"},
    )
    example_weight: float = field(default=0.1, metadata={"help": "weight of learning from people's captions meanwhile"})

    def __post_init__(self) -> None:
        numbers = {len(series) for series in self._series} - {1}
        if len(numbers) > 1 or 0 in numbers:
            raise SettingsError(
                "grammar_epochs, grammar_rate, grammar_cider_weight and grammar_weight need one value each, or as many "
                "as each other"
            )
        if not min(*self.grammar_epochs, self.example_weight) >= 0:
            raise SettingsError("grammar_epochs and example_weight must be at least 0")
        if not min(*self.grammar_cider_weight, *self.grammar_weight) >= 0:
            raise SettingsError("grammar_cider_weight and grammar_weight must be at least 0")
        if not all(0 < rate < 1 for rate in self.grammar_rate):
            raise SettingsError("grammar_rate must lie between 0 and 1")

    def after(self, rewards: RewardSettings) -> list[RewardSettings]:
        """Return these stages as stages that learn from rewards, in all else as the stage before."""
        ends = max(map(len, self._series))
        epochs, rates, cider_weights, weights = (
            series if len(series) == ends else series * ends for series in self._series
        )
        return [
            replace(
                rewards,
                reward_epochs=int(passes),
                reward_rate=rate,
                cider_weight=cider_weight,
                grammar_weight=weight,
                example_weight=self.example_weight,
            )
            for passes, rate, cider_weight, weight in zip(epochs, rates, cider_weights, weights, strict=True)
        ]

    @property
    def _series(self) -> tuple[tuple[float, ...], ...]:
        return self.grammar_epochs, self.grammar_rate, self.grammar_cider_weight, self.grammar_weight


@dataclass(frozen=True, slots=True)
class ProductSettings:
    """How decoders become one, and when it is sure. Raises SettingsError for values that cannot be."""

    seeds: int = field(
        default=2,
        metadata={"help": "runs of all stages, each with the next seed; their decoders are multiplied"},
    )
    decoder_bits: int = field(default=8, metadata={"help": "8 for kernels in 8 bits, 32 for float32, which is exact"})
    sure_from: float = field(default=0.3, metadata={"help": "probability from which the captioner says it is sure"})

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise SettingsError(f"seeds must be at least 1, not {self.seeds}")
        if not 0 <= self.sure_from <= 1:
            raise SettingsError(f"sure_from must lie within 0 to 1, not {self.sure_from}")
        if self.decoder_bits not in {8, 32}:
            raise SettingsError(f"decoder_bits must be 8 or 32, not {self.decoder_bits}")


@dataclass(frozen=True, slots=True)
class Recipe:
    """All stages' settings."""

    training: TrainingSettings = TrainingSettings()
    rewards: RewardSettings = RewardSettings()
    grammar: GrammarSettings = GrammarSettings()
    product: ProductSettings = ProductSettings()
