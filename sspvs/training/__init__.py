"""What stands around a training: the command line, the run's folder, checkpoints, restarts, loggers.

command_line      `TrainingCLI`: LightningCLI with this package's defaults, and errors of one line
tasks             what can be trained: pretraining, the summarizer, refinement; others register themselves
given             which config file, or the command line, sets what; the modules that they import
run               a run's folder: `--run.*`, loggers (CSV, W&B), `config.yaml`
starting_point    `--ckpt_path`: last, best, a file or a checkpoint folder -> settings and weights
saving            checkpoints that are whole or not there, the best, the newest; exact restarts; SIGTERM
signals           which signals end a command, and its exit status
samples           after each validation: the retrieval table, attention, alignment, scores
predictions       embeddings or scores into an h5 file
"""
