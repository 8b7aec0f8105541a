"""Long trainings behind sentences of the lessons, run beforehand into tables that the lessons read."""
