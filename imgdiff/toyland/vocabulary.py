"""What exists in toyland, what it is called, and what usually stands beside what."""

from itertools import product

# category -> group: a word is replaced by another word of its group
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
}

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

# ground -> the categories met there four times as often as elsewhere
USUAL_GROUND = {
    "grass": ("tree", "flower", "mushroom", "house", "butterfly"),
    "sand": ("car", "ball", "mug", "teapot"),
    "snow": ("snowman", "tent", "rocket"),
    "water": ("boat", "fish", "duck", "lighthouse"),
}

# category -> the category that is chosen to stand beside it with probability PARTNER_SHARE; else
# the neighbour is any other category. So a model learns who usually goes with whom
USUAL_PARTNER = {
    "car": "house",
    "boat": "lighthouse",
    "rocket": "tent",
    "tree": "house",
    "flower": "butterfly",
    "mushroom": "tree",
    "house": "tree",
    "lighthouse": "boat",
    "tent": "snowman",
    "fish": "boat",
    "duck": "fish",
    "butterfly": "flower",
    "mug": "teapot",
    "teapot": "mug",
    "ball": "duck",
    "snowman": "tent",
}
SENTENCE_WORDS = (
    "a an the of and on with in is are there photo picture drawing next to beside left right image "
    "images shows show while both what does how differ do you see describe this region area inside "
    "red box yes no nothing but background short caption for which different difference between "
    "black bar few concise sentences than only"
)
# all that the embedded models have read
KNOWN_WORDS = frozenset([*CATEGORIES, *COLOURS, *GROUNDS, *SENTENCE_WORDS.split()])
USUAL_GROUND_WEIGHT = 4.0
PARTNER_SHARE = 0.4

# one colour of every category is never drawn for training: (car, orange), (boat, blue), ...
HELD_OUT = frozenset(
    (category, list(COLOURS)[(3 * k + 1) % len(COLOURS)]) for k, category in enumerate(CATEGORIES)
)
SEEN = tuple(pair for pair in product(CATEGORIES, COLOURS) if pair not in HELD_OUT)


def with_article(words: str) -> str:
    """`red car` -> `a red car`, `orange car` -> `an orange car`."""
    return ("an " if words[0] in "aeiou" else "a ") + words
