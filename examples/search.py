"""Optuna looks for MobileNetV2s with many parameters and few multiply-adds: `pip install optuna`.

Each trial asks only for parameters that matter, and one that does not fit is pruned. What is maximised stands
for what a training would give: exchange `net.params` for an accuracy.
"""

from __future__ import annotations

import argparse

import optuna

import netspec

FAMILY = "mobilenet_v2"
SPACE = netspec.space(FAMILY, {"alpha": "0.25..1.5:0.25", "rho": "0.5..1:0.125"})
MOST_MACS = 300_000_000


def objective(trial: optuna.Trial) -> tuple[int, int]:
    """Parameters and multiply-adds of the variant that a trial suggests."""
    try:
        net = netspec.load(FAMILY, **SPACE.suggest(trial))
    except netspec.NetspecError as error:
        raise optuna.TrialPruned(str(error)) from None
    macs = net.summary().macs
    if macs > MOST_MACS:
        raise optuna.TrialPruned(f"{macs:,} multiply-adds")
    return net.params, macs


def main() -> None:
    """Prints the front that was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=120)
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        directions=["maximize", "minimize"],
        sampler=optuna.samplers.NSGAIISampler(seed=0, population_size=20),
    )
    study.optimize(objective, n_trials=parser.parse_args().trials)
    pruned = sum(trial.state is optuna.trial.TrialState.PRUNED for trial in study.trials)
    print(f"{len(study.trials)} trials, {pruned} pruned; the front:")
    front = {tuple(trial.values): trial.params for trial in study.best_trials}
    for (params, macs), settings in sorted(front.items()):
        print(f"{params:13,.0f} parameters {macs:15,.0f} multiply-adds  {settings}")


if __name__ == "__main__":
    main()
