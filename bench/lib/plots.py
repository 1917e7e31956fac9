"""Plots of the results, drawn by gnuplot."""


def draw_all(folder, figures, series):
    pass
