"""Makes the demo's two model files from the German credit data: `python -m demo.train FOLDER`.

A scorecard (logistic regression, saved by skops) and a gradient-boosted challenger (XGBoost, saved as JSON). Neither
sees sex, age or foreign worker, which are kept in the data to be measured on. 700 rows train, 300 are held out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import skops.io
import xgboost
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

DATA = Path(__file__).parent / "data" / "german_credit"
TARGET, FAVOURABLE = "creditability", "good"
SENSITIVE = ["sex", "age_in_years", "foreign_worker"]
SEED = 20261120


def table() -> pd.DataFrame:
    """The labelled rows, with `sex` read from the combined attribute, and an ordinal code for each categorical
    attribute (the number in UCI's own code, A11 to A410), which the challenger uses."""
    labelled = pd.read_csv(DATA / "germancredit.csv", keep_default_na=False)
    codes = pd.read_csv(DATA / "german.csv", header=None, names=list(labelled.columns))
    labelled.insert(labelled.columns.get_loc(TARGET), "sex", codes["personal_status_and_sex"].map(_sex))
    for name in categorical(labelled):
        labelled.insert(labelled.columns.get_loc("sex"), f"{name}_code", codes[name].str[1:].astype(int))
    return labelled.drop(columns="personal_status_and_sex")


def _sex(code: str) -> str:
    return "female" if code in {"A92", "A95"} else "male"


def categorical(labelled: pd.DataFrame) -> list[str]:
    left_out = {TARGET, "personal_status_and_sex", *SENSITIVE}
    return [name for name in labelled.columns if labelled[name].dtype.kind not in "if" and name not in left_out]


def main(folder: Path) -> None:
    whole = table()
    train, holdout = train_test_split(whole, test_size=300, random_state=SEED, stratify=whole[TARGET])
    good = train[TARGET] == FAVOURABLE
    names = categorical(whole)
    numbers = [name for name in whole.select_dtypes("number") if not name.endswith("_code") and name not in SENSITIVE]

    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), names), (StandardScaler(), numbers))
    scorecard = make_pipeline(columns, LogisticRegression(C=0.2, max_iter=2000))
    scorecard.fit(train[names + numbers], train[TARGET])
    challenger = xgboost.XGBClassifier(
        n_estimators=120, max_depth=3, learning_rate=0.08, subsample=0.8, random_state=SEED, n_jobs=1
    )
    challenger.fit(train[[f"{name}_code" for name in names] + numbers], good)

    folder.mkdir(parents=True, exist_ok=True)
    train.to_csv(folder / "german_credit_train.csv", index=False)
    holdout.to_csv(folder / "german_credit_holdout.csv", index=False)
    skops.io.dump(scorecard, folder / "scorecard.skops")
    challenger.save_model(folder / "challenger.json")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
