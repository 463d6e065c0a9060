"""`sspvs data`: the verbs that make, explain and convert datasets, one module each, imported only when called."""

DESCRIPTION = (
    "Datasets: annotations, shots and features in one h5 file of the community's layout; video-text pairs to pretrain "
    "on."
)

VERBS = {
    "build": ("sspvs.commands.data_build", "annotation files (SumMe, TVSum, your own) -> one dataset file"),
    "inspect": ("sspvs.commands.data_inspect", "what a file is, what each key means, what is wrong with it"),
    "convert": ("sspvs.commands.data_convert", "from one of the field's file formats to another"),
    "world": ("sspvs.commands.data_world", "synthetic videos with text, features, annotators and folds: no download"),
    "shard": ("sspvs.commands.data_shard", "video-text pairs -> WebDataset shards to pretrain from"),
    "splits": ("sspvs.commands.data_splits", "make seeded five-fold splits, or explain and check a split file"),
}
"""`sspvs.cli` runs a module that has such a table as a verb of verbs: verb -> its module and its line."""
