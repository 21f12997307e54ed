"""The present state of studies as a storage of Optuna, which `optuna-dashboard` opens.

The file is a journal (`optuna.storages.JournalStorage`), since Optuna writes its SQLite storage ten times more slowly.
Each mode of a study is one study of Optuna, `<study>/<mode>`, to be maximized. A rating is a complete trial, a failure
a failed one, a pending suggestion a running one. Ids, raters, pictures and comments are user attributes. Withdrawn
entries are left out. Optuna has an environment of its own (tools/optuna/requirements.in), and is imported when needed.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tools.observations.archive import new_file
from tools.observations.errors import MoveError
from tools.observations.moving import MovedStudy
from tools.observations.patience import bar
from tuning.observations import Entry, Failure, Setting, Suggestion
from tuning.spaces import CategoricalParameter, IntegerParameter, Mode, Spaces, Value
from tuning.stores.records import timestamp

_MISSING = (
    "Optuna is not installed here: `make .venv-optuna/stamp` installs it; then run this command with"
    " .venv-optuna/bin/python"
)


def require_optuna() -> None:
    """Check that Optuna is installed.

    Raises:
        MoveError: it is not.
    """
    if find_spec("optuna") is None:
        raise MoveError(_MISSING)


def write_storage(studies: Sequence[MovedStudy], spaces: Spaces, path: Path) -> int:
    """Write a new file, and return the number of its trials.

    Raises:
        MoveError: Optuna is not installed, the file exists already, or a study's log is damaged.
        OSError: it cannot be written.
    """
    require_optuna()
    import optuna  # noqa: PLC0415 - in an environment of its own
    from optuna.storages.journal import JournalFileBackend  # noqa: PLC0415

    modes = [
        (moved, mode, entries, outstanding)
        for moved in studies
        for mode, (entries, outstanding) in _by_mode(moved).items()
    ]
    total = sum(len(entries) + len(outstanding) for _, _, entries, outstanding in modes)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with new_file(path) as partial, bar(total, "writing", "trials") as shown:
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(partial)))
        for moved, mode, entries, outstanding in modes:
            study = optuna.create_study(storage=storage, study_name=f"{moved.name}/{mode}", direction="maximize")
            for name, value in _attributes_of(moved).items():
                study.set_user_attr(name, value)
            settings = [*(entry.told.setting for entry in entries), *(one.setting for one in outstanding)]
            distributions = _distributions(settings, spaces.find_mode(mode))
            for entry in entries:
                study.add_trial(_told(entry, distributions))
                shown.update()
            for suggestion in outstanding:
                study.add_trial(_running(suggestion, distributions))
                shown.update()
    return total


def _by_mode(moved: MovedStudy) -> dict[str, tuple[list[Entry], list[Suggestion]]]:
    """Return the entries that are not withdrawn and the pending suggestions, by mode."""
    found: dict[str, tuple[list[Entry], list[Suggestion]]] = {}
    for entry in moved.entries():
        if not entry.revision.withdrawn:
            found.setdefault(entry.told.mode, ([], []))[0].append(entry)
    for suggestion in moved.suggestions:
        if suggestion.id in moved.outstanding:
            found.setdefault(suggestion.mode, ([], []))[1].append(suggestion)
    return dict(sorted(found.items()))


def _attributes_of(moved: MovedStudy) -> dict[str, str]:
    study = moved.study
    moments = {"created_at": study.created_at, "archived_at": study.archived_at}
    texts = {"based_on": study.based_on, "note": study.note}
    return _said({name: None if one is None else timestamp(one) for name, one in moments.items()} | texts)


def _told(entry: Entry, distributions: Mapping[str, Any]) -> Any:
    """Return the trial of an entry."""
    from optuna.trial import TrialState  # noqa: PLC0415

    told, revision = entry.told, entry.revision
    failed = told.reason if isinstance(told, Failure) else None
    attributes: dict[str, Any] = _said(
        {
            "id": entry.id,
            "suggestion_id": told.suggestion_id,
            "rater": told.rater,
            "picture": told.picture,
            "comment": told.comment,
            "failed": failed,
            "recorded_at": timestamp(told.recorded_at),
            "revised_at": timestamp(revision.made_at) if entry.earlier else None,
            "reviser": revision.reviser,
        }
    )
    state = TrialState.COMPLETE if failed is None else TrialState.FAIL
    trial = _trial(told.setting, state, {**attributes, "revision": revision.number}, distributions, revision.rating)
    trial.datetime_start = trial.datetime_complete = told.recorded_at
    return trial


def _running(suggestion: Suggestion, distributions: Mapping[str, Any]) -> Any:
    """Return the trial of a pending suggestion."""
    from optuna.trial import TrialState  # noqa: PLC0415

    attributes = {"suggestion_id": suggestion.id, "expires_at": timestamp(suggestion.expires_at)}
    trial = _trial(suggestion.setting, TrialState.RUNNING, attributes, distributions, None)
    trial.datetime_start = suggestion.suggested_at
    return trial


def _trial(
    setting: Setting, state: Any, attributes: dict[str, Any], distributions: Mapping[str, Any], value: float | None
) -> Any:
    from optuna.trial import create_trial  # noqa: PLC0415

    parameters = setting.to_plain()
    return create_trial(
        state=state,
        value=value,
        params=parameters,
        distributions={name: distributions[name] for name in parameters},
        user_attrs=attributes,
    )


def _said(attributes: Mapping[str, str | None]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _distributions(settings: Iterable[Setting], mode: Mode | None) -> dict[str, Any]:
    """Return one distribution per parameter name, `api` included: the bounds of the space, widened to all settings.

    A study of Optuna has one distribution per name, so the APIs share it. It has no steps, since settings may be off
    the grid.
    """
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution  # noqa: PLC0415

    apis = mode.apis if mode else ()
    values: dict[str, list[Value]] = {"api": [api.name for api in apis]}
    real = set()
    for parameter in (parameter for api in apis for parameter in api.parameters):
        bounds = parameter.choices if isinstance(parameter, CategoricalParameter) else (parameter.low, parameter.high)
        values.setdefault(parameter.name, []).extend(bounds)
        if not isinstance(parameter, IntegerParameter):
            real.add(parameter.name)
    for setting in settings:
        for name, value in setting.to_plain().items():
            values.setdefault(name, []).append(value)
    found: dict[str, Any] = {}
    for name, tried in values.items():
        numbers = [value for value in tried if not isinstance(value, str)]
        if len(numbers) < len(tried):
            found[name] = CategoricalDistribution(list(dict.fromkeys(tried)))
        elif name in real or any(isinstance(value, float) for value in numbers):
            found[name] = FloatDistribution(min(numbers), max(numbers))
        else:
            found[name] = IntDistribution(int(min(numbers)), int(max(numbers)))
    return found
