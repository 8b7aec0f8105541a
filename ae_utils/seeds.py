"""Seeds for streams of random numbers that never overlap: what shuffles does not draw the noise, or look at samples."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from ae_utils.errors import InvalidInput

STREAMS = ("noise", "shuffle", "evaluation", "hooks")  # weights are initialised from ``torch.manual_seed(seed)`` itself


def epoch_seed(seed: int, epoch: int, stream: str = "noise") -> int:
    """The seed of one ``stream`` of random numbers in one epoch, for ``torch.manual_seed`` or a ``torch.Generator``.

    Mixed by NumPy's ``SeedSequence``, so neighbouring seeds, epochs and streams have nothing in common. Raises
    ``InvalidInput`` for a negative seed or epoch, or a stream that is not one of ``STREAMS``.
    """
    if min(seed, epoch) < 0 or stream not in STREAMS:
        raise InvalidInput(
            f"expected a seed and an epoch of at least 0 and a stream out of {', '.join(STREAMS)}, "
            f"but got seed {seed}, epoch {epoch} and {stream!r}."
        )
    mixed = np.random.SeedSequence((seed, epoch, STREAMS.index(stream)))
    return int(mixed.generate_state(1, np.uint64)[0] >> np.uint64(1))  # torch takes 63 bits


@contextmanager
def own_random_numbers(seed: int) -> Iterator[None]:
    """A block whose random numbers come from ``seed``, and which leaves those outside as they were, on every device."""
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None  # fork_rng knows CPU and CUDA
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        try:
            yield
        finally:
            if mps is not None:
                torch.mps.set_rng_state(mps)
