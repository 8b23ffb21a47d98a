# SPDX-License-Identifier: GPL-2.0
"""Bars and lines as SVG, without any library."""

from html import escape
import itertools
import math

WIDTH, HEIGHT = 860, 420
LEFT, RIGHT, TOP, BOTTOM = 80, 170, 50, 90
OURS = "#d62728"
COLOURS = ["#666666", "#b0b0b0", "#1f77b4", "#2ca02c", "#98df8a", "#9467bd",
           "#ff7f0e", "#ffbb78", "#17becf", "#8c564b", "#e377c2"]


class Canvas:
    def __init__(self, title):
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
            f'height="{HEIGHT}" font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>']
        self.text(WIDTH / 2, 24, title, size=16)

    def text(self, x, y, text, anchor="middle", size=12, turn=0):
        turned = f' transform="rotate({turn} {x:.1f} {y:.1f})"' if turn else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
            f'font-size="{size}"{turned}>{escape(text)}</text>')

    def line(self, x1, y1, x2, y2, colour="#dddddd"):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" '
                          f'y2="{y2:.1f}" stroke="{colour}"/>')

    def box(self, x, y, width, height, colour):
        self.parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}" fill="{colour}"/>')

    def path(self, points, colour):
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{joined}" fill="none" '
                          f'stroke="{colour}" stroke-width="2"/>')

    def legend(self, colours):
        for i, (name, colour) in enumerate(colours.items()):
            y = TOP + 18 * i
            self.box(WIDTH - RIGHT + 15, y, 12, 12, colour)
            self.text(WIDTH - RIGHT + 33, y + 11, name, "start")

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(self.parts) + "\n</svg>\n")


def colours_of(peers):
    """A colour for each, ours always the same."""
    others = itertools.cycle(COLOURS)
    return {peer: OURS if peer == "kproxy" else next(others)
            for peer in peers}


def ticks(low, high, log):
    if log:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        return [f * 10 ** e for e in range(first, last + 1) for f in (1, 2, 5)
                if low <= f * 10 ** e <= high]
    step = 10 ** math.floor(math.log10((high - low) or 1))
    while (high - low) / step < 4:
        step /= 2
    first = math.ceil(low / step)
    return [step * i for i in range(first, math.floor(high / step) + 1)]


def scale(low, high, begin, end, log=False):
    """A function from values to coordinates."""
    def place(value):
        if log:
            share = math.log(value / low) / (math.log(high / low) or 1)
        else:
            share = (value - low) / ((high - low) or 1)
        return begin + share * (end - begin)
    return place


def y_axis(canvas, low, high, unit, log=False):
    place = scale(low, high, HEIGHT - BOTTOM, TOP, log)
    for tick in ticks(low, high, log):
        canvas.line(LEFT, place(tick), WIDTH - RIGHT, place(tick))
        canvas.text(LEFT - 6, place(tick) + 4, f"{tick:g}", "end")
    canvas.text(18, (TOP + HEIGHT - BOTTOM) / 2, unit, turn=-90)
    return place


def bars(path, title, unit, groups, series):
    """SERIES: name -> one value for each of GROUPS, or None."""
    canvas = Canvas(title)
    highest = max(v for values in series.values() for v in values if v)
    place = y_axis(canvas, 0, 1.05 * highest, unit)
    room = (WIDTH - LEFT - RIGHT) / len(groups)
    width = 0.8 * room / len(series)
    colours = dict(zip(series, [OURS, *COLOURS[2:]]))
    for g, group in enumerate(groups):
        for s, (name, values) in enumerate(series.items()):
            if values[g]:
                canvas.box(LEFT + room * g + 0.1 * room + width * s,
                           place(values[g]), width,
                           place(0) - place(values[g]), colours[name])
        canvas.text(LEFT + room * (g + 0.5), HEIGHT - BOTTOM + 16, group,
                    "end", turn=-35)
    canvas.legend(colours)
    canvas.save(path)


def lines(path, title, x_unit, y_unit, series, log_y=False):
    """SERIES: peer -> points (x, y)."""
    canvas = Canvas(title)
    points = [p for line in series.values() for p in line]
    x_low, x_high = min(p[0] for p in points), max(p[0] for p in points)
    low = min(p[1] for p in points) if log_y else min(0, *(p[1] for p in points))
    y_place = y_axis(canvas, low, 1.05 * max(p[1] for p in points), y_unit,
                     log_y)
    x_place = scale(x_low, x_high, LEFT, WIDTH - RIGHT)
    for tick in ticks(x_low, x_high, False):
        canvas.line(x_place(tick), TOP, x_place(tick), HEIGHT - BOTTOM)
        canvas.text(x_place(tick), HEIGHT - BOTTOM + 16, f"{tick:g}")
    canvas.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 40, x_unit)
    colours = colours_of(series)
    for name, line in series.items():
        canvas.path([(x_place(x), y_place(y)) for x, y in line], colours[name])
    canvas.legend(colours)
    canvas.save(path)
