"""What a measure raises when it can't give a right number."""


class Unmeasurable(ValueError):
    """The input can't be measured; `param` names the argument, `sentence` the place and the mend."""

    def __init__(self, *, param: str, sentence: str) -> None:
        super().__init__(sentence)
        self.param = param
        self.sentence = sentence


class NotAdditive(Unmeasurable):
    """Contributions and base do not add up to the model's output."""
