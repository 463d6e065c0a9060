"""The text towers, one file a kind; `sspvs.models.text_encoder` builds the one that the settings name."""
