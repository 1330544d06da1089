"""Published numbers and the German credit rows the measures are held against."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]
AGE, SEX, CLASS = 12, 8, 20


@pytest.fixture(scope="session")
def oracles() -> dict[str, Any]:
    return json.loads((ROOT / "tests/data/oracles.json").read_text())


@pytest.fixture(scope="session")
def german() -> pd.DataFrame:
    """Age, sex and class (1 good, 2 bad) of the 1,000 applicants."""
    rows = pd.read_csv(ROOT / "demo/data/german_credit/german.csv", header=None)
    sex = np.where(rows[SEX].isin(["A92", "A95"]), "female", "male")
    return pd.DataFrame({"age": rows[AGE], "sex": sex, "class": rows[CLASS]})
