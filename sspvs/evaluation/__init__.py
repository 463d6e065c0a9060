"""What a summary is worth against what people chose, under protocols that are named (numpy and scipy only).

protocol              the four rank-correlation protocols in use, by name
prediction            a method's scores of a video, on the dataset's two clocks
summary_rule          scores -> the binary summary that is judged: budget and value rules of published systems
f_score               F1 of a summary against users' summaries
rank_correlation      tau-b and rho as scipy has them, of many predictions and users at once
  rank_reference, pair_balance        how that is fast
agreement             users against each other, and against the mean of the others
requirements          what a protocol needs of a dataset, and what to do where it is missing
evaluate              a method's row
baselines             the rows beside it: consensus, contrastive importance, and
  human, random_scores, split_half    each user in the method's place; random scores; half against half
results               rows, per video and over videos
bootstrap, compare    intervals over videos, and differences between methods
published             what others published, each under its protocol
"""
