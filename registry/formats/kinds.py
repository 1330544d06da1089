"""The accepted formats, and how a file is refused."""

from enum import StrEnum

SAVE_SAFELY = (
    "save the model with skops (skops.io.dump), as ONNX, or in XGBoost's, LightGBM's or CatBoost's own format, and "
    "upload that file"
)
UPLOAD_AGAIN = "upload the whole file again"


class Format(StrEnum):
    """A model format that can be read without running code from the file."""

    SKOPS = "skops"
    XGBOOST_JSON = "xgboost-json"
    XGBOOST_UBJ = "xgboost-ubj"
    LIGHTGBM_TEXT = "lightgbm-text"
    CATBOOST_CBM = "catboost-cbm"
    ONNX = "onnx"

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    Format.SKOPS: "skops (scikit-learn)",
    Format.XGBOOST_JSON: "XGBoost JSON",
    Format.XGBOOST_UBJ: "XGBoost UBJSON",
    Format.LIGHTGBM_TEXT: "LightGBM text",
    Format.CATBOOST_CBM: "CatBoost cbm",
    Format.ONNX: "ONNX",
}


class Refusal(ValueError):
    """One sentence: the file's name, what it is, and the mend."""

    def __init__(self, name: str, what: str, mend: str = SAVE_SAFELY) -> None:
        super().__init__(f"{name} {what}; {mend}.")
