"""Videos made into batches: three thin Lightning data modules over `sspvs.table.VideoTable`.

pretrain.py, pairs.py       video-text pairs of manifests, releases and shards (`sspvs.formats`)
summarize.py, fold_data.py  annotated videos of one fold (folds.py), with what is written about them (texts.py)
refine.py, unlabelled.py    clips of unlabelled features (feature_files.py), and of folds (judged.py)
drawing.py                  crops, clips, masks and partners, drawn by video and draw
loader.py, batch.py         which videos make which batch on which rank, resumable; the batches
"""
