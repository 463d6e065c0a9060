"""What stands around a training: the command line, the run's folder, checkpoints, restarts, loggers.

command_line      `TrainingCLI`: LightningCLI with this package's defaults, and errors of one line
tasks/            what it knows of each task: pretraining, the summarizer
given             which config file, or the command line, set what
run               where a run lies, and what is kept of it (`--run.*`)
starting_point    `--ckpt_path`: last, best, a file or a checkpoint folder -> settings and weights
saving            checkpoints that are whole or not there; the newest, for restarts
stopping          SIGTERM and SIGHUP: save, then stop
signals           which signals end a command, and with what status
draws             dropout that a restart draws alike
place             where in its epoch the data is
loggers           CSV always, W&B when asked
records           the run's own config.yaml; best and last weights as checkpoint folders
samples           the retrieval table, and what attention and scores look like
score_samples     scores against what people said
predictions       embeddings or scores into an h5 file
quiet             keeps the libraries' own messages away
"""
