"""The state of a training run between two epochs, on disk, so that a run that was interrupted goes on where it stopped.

Refuses states of other ingredients and files that are damaged: the run then begins anew, as if there were none.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Checkpoint", "State"]


@dataclass(frozen=True, slots=True)
class State:
    """Arrays, in the order in which the run holds them, and what goes into JSON."""

    arrays: tuple[np.ndarray, ...]
    notes: "Mapping[str, Any]"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One file (.npz), and the fingerprint of what the run is made from."""

    path: "Path"
    made_from: str

    def save(self, arrays: "Sequence[np.ndarray]", notes: "Mapping[str, object]") -> None:
        """Put a state in the place of the one before; a crash leaves the one or the other."""
        part = self.path.with_suffix(".part")
        described = np.array(json.dumps({"made_from": self.made_from, **notes}))
        with part.open("wb") as file:
            named: dict[str, Any] = {str(place): array for place, array in enumerate(arrays)}
            np.savez(file, notes=described, **named)
        part.replace(self.path)

    def load(self) -> State | None:
        """Read the state back; None where there is none for these ingredients."""
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                notes = json.loads(str(archive["notes"]))
                arrays = tuple(archive[str(place)] for place in range(len(archive.files) - 1))
        except (OSError, BadZipFile, KeyError, ValueError, EOFError):
            return None
        return State(arrays, notes) if notes.get("made_from") == self.made_from else None
