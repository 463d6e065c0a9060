"""Which tokenizer belongs to a text tower's name."""

from __future__ import annotations

import logging

from sspvs.data.tokenizers.base import Tokenizer
from sspvs.data.tokenizers.hashing import HashingTokenizer
from sspvs.errors import MissingExtraError, WeightsNotFoundError
from sspvs.weights.clip_source import PREFIX

logger = logging.getLogger(__name__)
_BERT = ("bert-base-uncased", "google-bert/bert-base-uncased")


def load_tokenizer(encoder: str, *, download: bool = False, vocab_size: int | None = None) -> Tokenizer:
    """The tokenizer of a text tower.

    Args:
        encoder: As in `TextEncoderSettings.encoder`.
        download: Fetch what is not on this machine.
        vocab_size: Ids of `small`; its default when None. Others have their own.

    Raises:
        MissingExtraError: `minilm` without the package that has it.
        WeightsNotFoundError: The tokenizer's files are not on this machine.
    """
    if encoder == "small":
        from sspvs.models.text_encoder import SMALL_VOCAB_SIZE

        return HashingTokenizer(SMALL_VOCAB_SIZE if vocab_size is None else vocab_size)
    if encoder == "minilm":
        from sspvs.data.tokenizers.wordpiece import BertTokenizer

        return BertTokenizer(encoder, "the text encoder 'minilm'")
    if encoder.startswith(PREFIX):
        from sspvs.data.tokenizers.clip import ClipTokenizer

        return ClipTokenizer(encoder, download=download)
    from sspvs.data.tokenizers.hugging_face import HuggingFaceTokenizer

    try:
        return HuggingFaceTokenizer(encoder, download=download)
    except WeightsNotFoundError as error:
        if encoder not in _BERT:
            raise
        return _packaged_bert(encoder, error)


def _packaged_bert(encoder: str, error: WeightsNotFoundError) -> Tokenizer:
    """The same vocabulary, where only the package with MiniLM has it."""
    from sspvs.data.tokenizers.wordpiece import BertTokenizer

    try:
        tokenizer = BertTokenizer(encoder, f"the vocabulary of '{encoder}', not in the Hugging Face cache,")
    except MissingExtraError as missing:
        raise WeightsNotFoundError(f"{error}; or its vocabulary alone: {missing}") from error
    logger.info("%s: its tokenizer is not in the Hugging Face cache; took the same vocabulary from MiniLM's", encoder)
    return tokenizer
