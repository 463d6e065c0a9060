"""Annotations, splits and the file formats that users have, made into one dataset file; and files made into batches.

annotations/     SumMe's, TVSum's and one's own annotation files -> what people said, on the videos' frames
building/        annotations, features, shots -> a dataset file (`sspvs data build`)
formats/         each file format of the field: told, explained, checked, converted (`sspvs data inspect`, `convert`)
splits/          folds of training and test videos: read in every style, made with full coverage (`sspvs data splits`)
pretrain/        video-text pairs -> batches that pretrain
summarization/   annotated videos and a fold -> batches that fine-tune, and the figures that choose a checkpoint
refinement/      features of videos that nobody annotated, and a fold's -> batches of clips that refine features
synthetic/       a world of drawn videos with text and annotators (`sspvs data world`)
scores/          anybody's scores, matched to a dataset's videos
buckets.py       which videos make which batch on which rank; loader.py goes on there after a restart
video_finder.py  a video by its key or by any spelling of its name
"""
