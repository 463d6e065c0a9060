"""Annotations, splits and the file formats that users have, made into one dataset file.

annotations/     SumMe's, TVSum's and one's own annotation files -> what people said, on the videos' frames
building/        annotations, features, shots -> a dataset file (`sspvs data build`)
formats/         each file format of the field: told, explained, checked, converted (`sspvs data inspect`, `convert`)
splits/          folds of training and test videos: read in every style, made with full coverage (`sspvs data splits`)
scores/          anybody's scores, matched to a dataset's videos
video_finder.py  a video by its key or by any spelling of its name
"""
