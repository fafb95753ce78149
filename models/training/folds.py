"""k-fold cross-validation and the search for better settings: many short runs of one recipe."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from models.datasets import Record, Split, folds
from models.training.recipe import Recipe, RecipeError
from models.training.run import Parts, Start, train


def cross_validate(*, recipe: Recipe, records: Sequence[Record], k: int, start: Start, work: Path, devices: int = 1) -> dict[str, Any]:
    """Trains ``k`` times, each time holding another k-th of the lesions (or patients) back.

    Returns the best epoch's figures of each fold, and mean and standard deviation over the folds.
    """
    best = []
    for index, (training, held) in enumerate(folds(records, k=k, by=recipe.data.split)):
        parts = {Split.TRAIN: training, Split.VALIDATION: held, Split.TEST: []}
        best.append(_best(recipe, train(recipe=recipe, parts=parts, start=start, work=work / f"fold-{index + 1}", devices=devices).history))
    names = [name for name in best[0] if name != "epoch"]
    values = {name: [fold[name] for fold in best] for name in names}
    return {
        "folds": best,
        "mean": {name: float(np.mean(row)) for name, row in values.items()},
        "deviation": {name: float(np.std(row, ddof=1)) for name, row in values.items()},
    }


def search(*, recipe: Recipe, parts: Parts, trials: int, start: Start, work: Path, devices: int = 1) -> tuple[Recipe, dict[str, Any]]:
    """Tries ``trials`` settings from the recipe's ``[search]`` table; judged by validation alone. Returns the best recipe and its study.

    Finished trials are kept in ``work`` and count when the search is called again.
    """
    if not recipe.search:
        raise RecipeError(f"{recipe.name} has no [search] table: name there what may change, for example training.learning_rate")

    def objective(trial: optuna.Trial) -> float:
        drawn = recipe.changed(_nested({name: _draw(trial, name, space) for name, space in recipe.search.items()}))
        fitted = train(recipe=drawn, parts=parts, start=start, work=work / f"trial-{trial.number}", devices=devices)
        return _best(drawn, fitted.history)[drawn.training.keep]

    work.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=recipe.name,
        storage=f"sqlite:///{work / 'search.db'}",
        load_if_exists=True,
        direction="minimize" if recipe.training.keep == "loss" else "maximize",
        sampler=optuna.samplers.TPESampler(seed=recipe.training.seed),
    )
    study.optimize(objective, n_trials=max(0, trials - _finished(study)))
    trials_told = [{"number": trial.number, "value": trial.value, **trial.params} for trial in study.trials if trial.value is not None]
    return recipe.changed(_nested(study.best_params)), {"best": study.best_params, "value": study.best_value, "trials": trials_told}


def _finished(study: optuna.Study) -> int:
    return sum(trial.state.is_finished() for trial in study.trials)


def _draw(trial: optuna.Trial, name: str, space: dict[str, Any]) -> Any:
    if "choices" in space:
        return trial.suggest_categorical(name, space["choices"])
    draw: Callable[..., Any] = trial.suggest_int if isinstance(space["low"], int) else trial.suggest_float
    return draw(name, space["low"], space["high"], log=bool(space.get("log", False)))


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for name, value in flat.items():
        *above, last = name.split(".")
        place = nested
        for part in above:
            place = place.setdefault(part, {})
        place[last] = value
    return nested


def _best(recipe: Recipe, history: list[dict[str, float]]) -> dict[str, float]:
    keep = recipe.training.keep
    return (min if keep == "loss" else max)(history, key=lambda row: row[keep])
