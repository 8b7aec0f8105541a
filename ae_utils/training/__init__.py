"""Training: one loop, the steps it repeats, and schedules as functions of progress."""
