from pytorch_lightning.callbacks import Callback


class Samples(Callback):
    def __init__(self, n: int) -> None:
        pass
