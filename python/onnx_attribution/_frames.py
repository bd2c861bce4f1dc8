"""Tables of a run as data frames: by duckdb or pyarrow where they are installed, else by the command's own `query`."""

import importlib.util
import json
import os

from ._command import call


def has(module):
    return importlib.util.find_spec(module) is not None


def parquet(file):
    """A Parquet file as a pandas data frame, or, without pandas, as a list of dicts."""
    file = os.fspath(file)
    if not os.path.isfile(file):
        raise FileNotFoundError(f"there is no {file}")
    if has("pandas") and has("duckdb"):
        import duckdb
        return duckdb.read_parquet(file).df()
    if has("pandas") and has("pyarrow"):
        import pandas
        return pandas.read_parquet(file)
    return None


def query(runs, sql, timeout=None):
    """Rows that SQL selects of runs, as a pandas data frame or, without pandas, as a list of dicts."""
    runs = [runs] if isinstance(runs, (str, os.PathLike)) else list(runs)
    first, *others = [os.fspath(run) for run in runs]
    return frame(json.loads(call("query", first, *others, sql, format="json", timeout=timeout, progress=None)))


def frame(rows):
    """Dicts as a pandas data frame, or as they are where there is no pandas."""
    if not has("pandas"):
        return rows
    import pandas
    return pandas.DataFrame(rows)
