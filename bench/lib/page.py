"""The files that are served: the same bytes on every machine and in every run."""
import os
import random

SMALL = b"Hello, world\n"
PAGE_SIZE = 100 << 10
BIG_SIZE = 64 << 20
PHRASES = 0.57


def words(rng, count):
    """Returns made-up words. Frequent ones are short, as in any language."""
    onsets = "b c d f g h l m n p r s t v w st tr pl ch th".split()
    vowels = "a e i o u ea ou ai".split()
    codas = ["", "", "n", "r", "s", "t", "l", "nd"]
    made = {"".join(rng.choice(onsets) + rng.choice(vowels) + rng.choice(codas)
                    for _ in range(rng.choice((1, 2, 2, 3)))) for _ in range(count)}
    return sorted(made, key=lambda word: (len(word), word))


def page():
    """Returns a typical page: paragraphs, links, rows of numbers. zlib -1 compresses it to a third."""
    rng = random.Random(19960101)
    vocabulary = words(rng, 1200)
    # Frequencies follow Zipf's law, nearly, and phrases repeat.
    weights = [1 / (rank + 2) for rank in range(len(vocabulary))]
    phrases = [" ".join(rng.choices(vocabulary, weights, k=rng.randint(2, 5))) for _ in range(250)]

    def text(most):
        chosen = rng.choices(vocabulary, weights, k=rng.randint(most // 2, most))
        return " ".join(rng.choice(phrases) if rng.random() < PHRASES else word
                        for word in chosen).capitalize()

    parts = ["<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
             "<title>Levels and flows</title>\n</head>\n<body>\n"]
    size = 0
    while size < PAGE_SIZE:
        part = f"<h2 id=\"s{len(parts)}\">{text(6)}</h2>\n"
        for _ in range(rng.randint(2, 4)):
            link = f"<a href=\"/{rng.choice(vocabulary)}/{rng.choice(vocabulary)}.html\">{text(3)}</a>"
            part += f"<p class=\"text\">{text(60)}, {link}. {text(40)}.</p>\n"
        part += "<table class=\"figures\">\n"
        for _ in range(rng.randint(3, 8)):
            part += (f"<tr><td>19{rng.randint(60, 99)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
                     f"</td><td>{rng.random() * 900:.2f}</td><td>{rng.choice(vocabulary)}</td></tr>\n")
        part += "</table>\n"
        parts.append(part)
        size += len(part)
    end = "</body>\n</html>\n"
    return ("".join(parts)[:PAGE_SIZE - len(end)] + end).encode("ascii")


def write_site(root):
    whole = page()
    for name, content, times in (("small.html", SMALL, 1), ("page.html", whole, 1),
                                 ("big.html", whole, BIG_SIZE // len(whole) + 1)):
        with open(os.path.join(root, name), "wb") as file:
            for _ in range(times):
                file.write(content)
            if name == "big.html":
                file.truncate(BIG_SIZE)
