"""A kept dataset as a table in memory: for checks, in the worker. pandas is imported here alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO

from registry import cells, parquet, storage
from registry.models import Dataset
from trail.errors import BadInput

if TYPE_CHECKING:
    from pandas import DataFrame, Series


def frame(dataset: Dataset, columns: list[str] | None = None) -> DataFrame:
    """The dataset's rows in file order, each column as the type its record states.

    integer: int64 (float64 where cells are missing); number: float64; boolean: bool (nullable where missing); date and
    text: str, as written, without surrounding blanks. Missing cells are NaN.
    """
    wanted = [column["name"] for column in dataset.columns] if columns is None else list(dict.fromkeys(columns))
    known = {column["name"]: column for column in dataset.columns}
    for name in wanted:
        if name not in known:
            raise BadInput(
                f"{dataset.file_name} has no column “{name}”; it has {', '.join(known)}.",
                where=f"{dataset.file_name}, column “{name}”",
            )
    with storage.open_kept(dataset.path) as file:
        _refuse_altered(file, dataset)
        read = _parquet if dataset.format == Dataset.Format.PARQUET else _csv
        table = read(file, dataset, wanted)
    if len(table) != dataset.row_count:
        sentence = f"{dataset.file_name} reads as {len(table)} rows; {dataset.row_count} were recorded."
        raise BadInput(sentence, where=dataset.file_name)
    for name in wanted:
        table[name] = _typed(table[name], known[name]["type"])
    return table


def refuse_altered(dataset: Dataset) -> None:
    """Refuse a dataset whose file is not the one that was uploaded, before something else reads it."""
    with storage.open_kept(dataset.path) as file:
        _refuse_altered(file, dataset)


def _refuse_altered(file: BinaryIO, dataset: Dataset) -> None:
    found = storage.sha256(file)
    if found != dataset.sha256:
        raise BadInput(
            f"{dataset.file_name} on disk has the digest sha256:{found}, but sha256:{dataset.sha256} was recorded: the "
            "file was altered after its upload. Restore it from a backup.",
            where=dataset.file_name,
        )


def _csv(file: BinaryIO, dataset: Dataset, wanted: list[str]) -> DataFrame:
    import pandas as pd

    names = [column["name"] for column in dataset.columns]
    table = pd.read_csv(
        file,
        dtype=str,
        header=0,
        names=names,
        usecols=wanted,
        index_col=False,
        encoding="utf-8-sig",
        skipinitialspace=True,
        keep_default_na=False,
        na_filter=False,
    )
    return table[wanted]


def _parquet(file: BinaryIO, dataset: Dataset, wanted: list[str]) -> DataFrame:
    import pandas as pd
    import pyarrow.parquet as pq

    table = pq.read_table(file, columns=wanted)
    return pd.DataFrame({name: _arrow(table[name], (dataset.column(name) or {})["type"]) for name in wanted})


def _arrow(column: Any, type_: str) -> Series[Any]:
    """Numbers and truth values as they are; what else a column holds as a CSV file would spell it."""
    import pandas as pd
    from pyarrow import types

    as_is = types.is_floating(column.type) or (types.is_integer(column.type) and not types.is_uint64(column.type))
    if as_is and type_ in {"integer", "number"}:
        whole = type_ == "integer" and not column.null_count
        return pd.Series(column.to_numpy().astype("int64" if whole else "float64"))
    if types.is_boolean(column.type) and type_ == "boolean" and not column.null_count:
        return pd.Series(column.to_numpy())
    return pd.Series(parquet.texts(column), dtype="str")


def _typed(given: Series[Any], type_: str) -> Series[Any]:
    import pandas as pd

    if given.dtype.kind in "ifb":
        return given
    bare = given.str.strip()
    missing = bare.str.lower().isin(cells.MISSING)
    match type_:
        case "integer" | "number":
            numbers = pd.to_numeric(bare.mask(missing))
            return numbers.astype("int64" if type_ == "integer" and not missing.any() else "float64")
        case "boolean":
            truth = bare.str.lower() == "true"
            return truth.astype("boolean").mask(missing) if missing.any() else truth
    return bare.mask(missing)
