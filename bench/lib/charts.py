#!/usr/bin/python3 -B
"""Charts of the saved results, as SVG: for each question all of its cases, and one overview for README.

    RESULTS.md ──▶ read() ──▶ panels ──▶ docs/charts/<question>-light.svg, <question>-dark.svg

A panel is a case. It has a bar for each server, whose length is the median; each panel has a scale of its
own. The charts are made of the text of RESULTS.md alone, so that they can be drawn again anywhere:

    bench/lib/charts.py

`./dev bench QUESTION --save` does so, too.
"""
import os
import re
from dataclasses import dataclass, field
from html import escape

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.join(HERE, "..", "..")
RESULTS = os.path.join(TOP, "bench", "RESULTS.md")
CHARTS = os.path.join(TOP, "docs", "charts")

# The heading of each part of RESULTS.md, and the name of its chart.
QUESTIONS = {
    "What a reply costs, and a connection": "http",
    "What a file costs by FTP, and a session": "ftp",
    "What a proxied request costs": "proxy",
    "What a message costs": "mail",
    "The same over TLS": "tls",
    "What a DNS query costs, and a zone": "dns",
    "Mail from a database": "cluster",
    "Clients during a crash, and during upgrades": "upgrades",
}

# The bars in another colour.
OURS = ("weir", "postgres")

# What README shows: question, case, and what is measured.
OVERVIEW = (
    ("http", "small", "HTTP: a small file, CPU time"),
    ("http", "gzip-first", "HTTP: a page of 100 KB, compressed for each reply, CPU time"),
    ("http", "idle", "HTTP: an idle connection, user memory"),
    ("mail", "smtp", "SMTP: a message received and synced, CPU time"),
    ("mail", "pop3", "POP3: a session that fetches 100 messages, CPU time"),
    ("ftp", "list", "FTP: a login and a listing, CPU time"),
    ("dns", "query", "DNS: a query of a zone of 100,000 names, CPU time"),
    ("dns", "cached", "DNS: a query that the cache answers, CPU time"),
)


@dataclass
class Theme:
    text: str
    faint: str
    ours: str
    theirs: str


THEMES = {
    "light": Theme("#1f2328", "#59636e", "#0969da", "#afb8c1"),
    "dark": Theme("#f0f6fc", "#9198a1", "#4493f8", "#656c76"),
}


@dataclass
class Panel:
    title: str
    unit: str
    medians: dict = field(default_factory=dict)  # {server: value}


# --- reading ---------------------------------------------------------------------------------------

HEAD = re.compile(r"^([\w-]+): (.*); ([^;]+)$")


def read_part(text):
    """The panels of one part of RESULTS.md, by the name of the case."""
    panels, panel = {}, None
    for line in text.splitlines():
        head = HEAD.match(line)
        if head:
            panel = panels[head[1]] = Panel(f"{head[1]}: {head[2]}", head[3])
        elif line.startswith("  ") and panel:
            # Columns of harness.report_case; large numbers leave no space between them.
            name, value = line[2:11].strip(), line[11:21].strip()
            if name and re.fullmatch(r"[0-9.]+", value):
                panel.medians[name] = float(value)
        elif not line.strip():
            panel = None
    return panels


def comparisons(panels):
    """Those that have more than one server."""
    return [panel for panel in panels.values() if len(panel.medians) > 1]


def read(path=RESULTS):
    """{question: {case: Panel}}"""
    with open(path, encoding="utf-8") as file:
        parts = re.split(r"^# (.*)$", file.read(), flags=re.MULTILINE)[1:]
    return {QUESTIONS[title]: read_part(text)
            for title, text in zip(parts[::2], parts[1::2]) if title in QUESTIONS}


# --- drawing ---------------------------------------------------------------------------------------

WIDTH, MARGIN = 760, 16
LABEL_WIDTH, VALUE_WIDTH = 96, 110
BAR, GAP = 16, 6
LINE, PANEL_GAP = 20, 18
LINE_CHARACTERS = 92


def wrap(text):
    lines = [""]
    for word in text.split():
        if len(lines[-1]) + len(word) >= LINE_CHARACTERS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def show(value, unit):
    if unit == "bytes" and value >= 1 << 20:
        return f"{value / (1 << 20):.1f} MB"
    if unit in ("bytes", "KB") or value >= 1000:
        return f"{value:,.0f} {unit}"
    return f"{value:.3g} {unit}"


class Drawing:
    def __init__(self, theme, title):
        self.theme, self.y, self.parts = THEMES[theme], MARGIN, []
        self.title = title

    def text(self, x, text, color, size=13, weight=400, anchor="start"):
        self.parts.append(f'<text x="{x:.0f}" y="{self.y:.0f}" fill="{color}" font-size="{size}" '
                          f'font-weight="{weight}" text-anchor="{anchor}">{escape(text)}</text>')

    def panel(self, panel):
        for line in wrap(panel.title):
            self.y += LINE - 4
            self.text(MARGIN, line, self.theme.text, weight=600)
        self.y += 8
        room = WIDTH - 2 * MARGIN - LABEL_WIDTH - VALUE_WIDTH
        most = max(panel.medians.values()) or 1
        for server, value in panel.medians.items():
            ours = server in OURS
            size = max(1, room * value / most)
            self.parts.append(f'<rect x="{MARGIN + LABEL_WIDTH}" y="{self.y:.0f}" width="{size:.1f}" '
                              f'height="{BAR}" rx="2" '
                              f'fill="{self.theme.ours if ours else self.theme.theirs}"/>')
            self.y += BAR - 4
            self.text(MARGIN + LABEL_WIDTH - 8, server, self.theme.text if ours else self.theme.faint,
                      weight=600 if ours else 400, anchor="end")
            self.text(MARGIN + LABEL_WIDTH + size + 6, show(value, panel.unit),
                      self.theme.text if ours else self.theme.faint)
            self.y += 4 + GAP
        self.y += PANEL_GAP - GAP

    def svg(self):
        for line in ("The shorter the bar, the less it costs. Each panel has a scale of its own.",
                     "floor is the least program that can reply at all."):
            self.y += LINE - 4
            self.text(MARGIN, line, self.theme.faint, size=12)
        height = self.y + MARGIN
        parts = "\n".join(self.parts)
        return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height:.0f}" '
                f'viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
                'font-family="system-ui, sans-serif">\n'
                f"<title>{escape(self.title)}</title>\n{parts}\n</svg>\n")


def draw(name, title, panels, directory):
    os.makedirs(directory, exist_ok=True)
    for theme in THEMES:
        drawing = Drawing(theme, title)
        for panel in panels:
            drawing.panel(panel)
        with open(os.path.join(directory, f"{name}-{theme}.svg"), "w", encoding="utf-8") as file:
            file.write(drawing.svg())


def reference(name, title, prefix):
    """The lines that show the chart in a document; `prefix` leads from it to the top of the tree."""
    return (f'<picture>\n  <source media="(prefers-color-scheme: dark)" '
            f'srcset="{prefix}docs/charts/{name}-dark.svg">\n'
            f'  <img alt="{escape(title)}" src="{prefix}docs/charts/{name}-light.svg">\n</picture>\n')


def draw_all(path=RESULTS, directory=CHARTS):
    """Draws the charts of the cases that are saved with peers. Returns the names of the charts."""
    results, drawn = read(path), []
    for title, name in QUESTIONS.items():
        panels = comparisons(results.get(name, {}))
        if panels:
            draw(name, title, panels, directory)
            drawn.append(name)
    chosen = []
    for question, case, about in OVERVIEW:
        panel = results.get(question, {}).get(case)
        if panel and panel.medians:
            chosen.append(Panel(about, panel.unit, panel.medians))
    if chosen:
        draw("overview", "Weir beside its peers", chosen, directory)
        drawn.append("overview")
    return drawn


if __name__ == "__main__":
    print("drawn in docs/charts:", *draw_all())
