"""What a summary is worth against what people chose, under protocols that are named (numpy and scipy only).

protocol          the rank-correlation protocols by name: a registry
prediction        a method's scores of a video, on the dataset's two clocks
summary_rule      scores -> the binary summary that is judged: budget and value rules of published systems
f_score           F1 of a summary against users' summaries
rank_correlation  tau-b and rho as scipy has them, of many predictions and users at once
requirements      what a protocol needs of a dataset, and what to do where it is missing; how far users agree
evaluate          a method's row
baselines         the rows beside it: human, random, consensus, and scores of features
results           figures per video and over videos, intervals, differences between methods
published         what others published, each under its protocol
comparison        an evaluation, the whole of it, and its table; table is that as a value, text renders it
retrieval         ranks and recall of video-text retrieval
"""
