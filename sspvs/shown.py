"""Results that show themselves: printed as the command line prints them, as HTML in notebooks, as pandas tables."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any

from sspvs.errors import MissingExtraError


class Shown(ABC):
    """Base of results: `print(result)`, a cell of a notebook, and `result.to_dataframe()`."""

    @abstractmethod
    def __str__(self) -> str:
        """What the command line prints."""

    @abstractmethod
    def _repr_html_(self) -> str:
        """What a notebook shows: static HTML."""

    @abstractmethod
    def records(self) -> Iterable[Mapping[str, Any]]:
        """The rows of `to_dataframe`: column -> value."""

    def to_dataframe(self) -> Any:
        """The result as a `pandas.DataFrame`; `MissingExtraError` where pandas is not installed."""
        try:
            import pandas
        except ImportError as error:
            raise MissingExtraError("to_dataframe needs the package pandas: pip install pandas") from error
        return pandas.DataFrame.from_records(list(self.records()))
