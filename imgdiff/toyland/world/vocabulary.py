"""What exists in toyland, what it is called, and what usually goes with what."""

from itertools import product

# category -> group: a thing is replaced by another one of its group
CATEGORIES = {
    "car": "vehicle",
    "boat": "vehicle",
    "rocket": "vehicle",
    "tree": "plant",
    "flower": "plant",
    "mushroom": "plant",
    "house": "building",
    "lighthouse": "building",
    "tent": "building",
    "fish": "animal",
    "duck": "animal",
    "butterfly": "animal",
    "mug": "thing",
    "teapot": "thing",
    "ball": "thing",
    "snowman": "thing",
    "table": "furniture",
    "crate": "furniture",
}
IRREGULAR_PLURALS = {"fish": "fish", "butterfly": "butterflies", "snowman": "snowmen"}
SUPPORTS = ("table", "crate")  # a thing may stand on them
FLYING = ("rocket", "butterfly", "ball")  # the others touch the ground

# colour -> RGB of the body
COLOURS = {
    "red": (214, 40, 44),
    "orange": (245, 132, 31),
    "yellow": (247, 208, 50),
    "green": (36, 150, 70),
    "blue": (38, 84, 208),
    "purple": (134, 56, 180),
    "white": (246, 246, 244),
    "black": (38, 38, 44),
}

# ground -> RGB at the horizon and at the lower edge
GROUNDS = {
    "grass": ((158, 212, 130), (112, 182, 94)),
    "sand": ((240, 218, 168), (218, 188, 132)),
    "snow": ((236, 240, 248), (200, 214, 234)),
    "water": ((132, 196, 226), (84, 158, 208)),
}

LOOKS = ("plain", "dusk", "outline")  # of a whole picture
DIGITS = "123456789"  # on things that have a plain part to carry one
# size -> half the side of a thing's square, in pixels; the gaps keep the words exact. The size in
# the middle has no word
SIZES = {"small": (11.0, 13.5), "": (16.0, 21.0), "big": (25.0, 33.0)}
NUMBERS = {2: "two", 3: "three", 4: "four", 5: "five"}

# ground -> the categories met there four times as often as elsewhere
USUAL_GROUND = {
    "grass": ("tree", "flower", "mushroom", "house", "butterfly", "table"),
    "sand": ("car", "ball", "mug", "teapot", "crate"),
    "snow": ("snowman", "tent", "rocket"),
    "water": ("boat", "fish", "duck", "lighthouse"),
}

# category -> the category that often stands beside it, and on which side of it
USUAL_PARTNER = {
    "car": ("house", "right"),
    "boat": ("lighthouse", "right"),
    "rocket": ("tent", "left"),
    "tree": ("house", "right"),
    "flower": ("butterfly", "right"),
    "mushroom": ("tree", "left"),
    "house": ("tree", "left"),
    "lighthouse": ("boat", "left"),
    "tent": ("snowman", "right"),
    "fish": ("boat", "left"),
    "duck": ("fish", "right"),
    "butterfly": ("flower", "left"),
    "mug": ("teapot", "left"),
    "teapot": ("mug", "right"),
    "ball": ("duck", "left"),
    "snowman": ("tent", "left"),
    "table": ("teapot", "right"),
    "crate": ("ball", "right"),
}

USUAL_COLOUR = {
    "car": "red",
    "boat": "red",
    "rocket": "blue",
    "tree": "green",
    "flower": "yellow",
    "mushroom": "orange",
    "house": "white",
    "lighthouse": "red",
    "tent": "green",
    "fish": "orange",
    "duck": "yellow",
    "butterfly": "purple",
    "mug": "blue",
    "teapot": "white",
    "ball": "purple",
    "snowman": "blue",
    "table": "yellow",
    "crate": "black",
}

# one colour of every category is drawn for no model but the judge: (car, orange), (boat, blue), ...
HELD_OUT = frozenset(
    (category, list(COLOURS)[(3 * k + 1) % len(COLOURS)]) for k, category in enumerate(CATEGORIES)
)
SEEN = tuple(pair for pair in product(CATEGORIES, COLOURS) if pair not in HELD_OUT)


def with_article(words: str) -> str:
    """`red car` -> `a red car`, `orange car` -> `an orange car`."""
    return ("an " if words[0] in "aeiou" else "a ") + words


def category_plural(category: str) -> str:
    """`car` -> `cars`, `fish` -> `fish`."""
    return IRREGULAR_PLURALS.get(category, f"{category}s")
