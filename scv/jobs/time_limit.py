"""What a run may take, and what is said to whom it was too little."""

from scv.message import say
from scv.training.progress import Failed


def out_of_time(minutes: float, epochs: int) -> Failed:
    """A run has been trained for `minutes`, all that one may take, and has finished so many whole epochs."""
    if epochs:
        message = say(
            "A run may take {minutes} minutes here, and that was enough for {epochs} epochs: their best weights are "
            "kept. Train {epochs} epochs at most, or a smaller network.",
            minutes=f"{minutes:g}",
            epochs=epochs,
        )
    else:
        message = say(
            "A run may take {minutes} minutes here, and that was not enough for one epoch. Try a smaller network.",
            minutes=f"{minutes:g}",
        )
    return Failed(code="time_limit", message=message)
