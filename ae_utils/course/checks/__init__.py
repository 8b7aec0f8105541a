"""Checks of the exercises' answers, a module for each lesson. A check prints one sentence and never raises."""
