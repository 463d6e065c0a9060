"""What can go wrong with a user's files, machine or settings, and what to do about it.

Each message says what was expected, what was found, where, and what to do. The command line turns any of
these into one line on stderr and exit status 2. A caller's wrong argument is a plain `ValueError`.
"""


class SspvsError(Exception):
    """Base of every error this package raises on purpose."""


class VideoError(SspvsError):
    """A video file that cannot be opened, decoded or written."""


class DecodeTimeoutError(VideoError):
    """A decoder that produced nothing for longer than its time limit and was stopped."""


class FeatureFileError(SspvsError):
    """A feature file that cannot be read, or whose contents do not fit together."""


class FingerprintMismatchError(FeatureFileError):
    """Features made by one extractor, given to something made for another."""


class DatasetError(SspvsError):
    """Annotations, splits or scores that cannot be read, or that do not fit together."""


class ProtocolUnavailableError(DatasetError):
    """A protocol that needs what the dataset does not have."""


class WeightsNotFoundError(SspvsError):
    """Model weights that are not on this machine, or not the file they should be."""


class CheckpointError(SspvsError):
    """A checkpoint that cannot be read, is not to be trusted, or does not fit the model."""


class TrainingDivergedError(CheckpointError):
    """A training whose weights, losses or outputs became NaN or infinite."""


class ExportError(SspvsError):
    """A model that cannot be given to others: as another format, which must compute the same, or on a hub."""


class MissingExtraError(SspvsError):
    """An optional package that a feature needs and that is not installed."""


class OutputError(SspvsError):
    """A place that cannot be written to."""


def one_line(error: BaseException) -> str:
    """What an error says, on a single line; its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


def first_line(error: BaseException) -> str:
    """The first line of what an error says, for libraries that add pages; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].strip()
