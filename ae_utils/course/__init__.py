"""What belongs to the course and not to the library: exercise checks, the scoreboard, the copies in JupyterLab."""
