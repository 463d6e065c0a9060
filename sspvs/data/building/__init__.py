"""From annotations to a dataset file: `build_dataset` in dataset.py, a step a module.

clock.py         frames, picks and rate of each video, of whatever its sources say
features.py      features found in a file, or extracted from videos
shots.py         shots of a feature file, from KTS, of equal length, or given
users.py         each annotator's scores and summary
ground_truth.py  gtscore and gtsummary
"""
