"""How each thing of toyland is drawn: outlined polygons and ellipses, and the mask they cover."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

RGB = tuple[int, int, int]
XY = tuple[float, float]
SUPERSAMPLING = 3  # drawn three times as large, then averaged down
WOOD, WINDOW, CREAM, GREEN = (122, 82, 48), (206, 230, 246), (246, 234, 208), (52, 136, 62)
PAPER = (250, 250, 248)  # inside the lines of an outline drawing
DARK_INK, LIGHT_INK = (24, 24, 28), (252, 252, 252)  # of digits


def shade(colour: RGB, factor: float) -> RGB:
    """Darker for a factor below 1, lighter above; black gets lighter either way, so that details
    show."""
    if max(colour) < 60:
        factor = 2.2
    red, green, blue = (min(255, round(value * factor)) for value in colour)
    return red, green, blue


class Pen:
    """Draws in a square of [-1, 1] x [-1, 1] (y downwards), placed anywhere in a picture.

    Args:
        canvas: [H, W, 3] uint8 RGB, already enlarged by SUPERSAMPLING; drawn on in place.
        centre: of the square, in pixels of the final picture.
        half: half the square's side, in pixels of the final picture.
        flip: mirror left and right.
        outline: draw lines alone, in the colour of what they go round.
    """

    def __init__(
        self, canvas: np.ndarray, centre: XY, half: float, flip: bool, outline: bool = False
    ) -> None:
        self.canvas = canvas
        self.outline = outline
        self.mask = np.zeros(canvas.shape[:2], np.uint8)
        self.origin = np.array(centre, float) * SUPERSAMPLING
        self.scale = np.array([-1.0 if flip else 1.0, 1.0]) * half * SUPERSAMPLING
        self.line = max(2, round(half * SUPERSAMPLING * (0.09 if outline else 0.05)))

    def polygon(self, points: Sequence[XY], fill: RGB) -> None:
        corners = np.rint(np.array(points) * self.scale + self.origin).astype(np.int32)
        edge = shade(fill, 0.62)
        if self.outline:  # white lines would not show
            fill, edge = PAPER, edge if min(fill) > 200 else fill
        cv2.fillPoly(self.canvas, [corners], fill)
        cv2.polylines(self.canvas, [corners], True, edge, self.line)
        cv2.fillPoly(self.mask, [corners], 255)
        cv2.polylines(self.mask, [corners], True, 255, self.line)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, fill: RGB, turn: float = 0.0
    ) -> None:
        angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        c, s = np.cos(turn), np.sin(turn)
        px, py = rx * np.cos(angle), ry * np.sin(angle)
        self.polygon(list(zip(x + c * px - s * py, y + s * px + c * py, strict=True)), fill)

    def box(self, x0: float, y0: float, x1: float, y1: float, fill: RGB) -> None:
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], fill)

    def arc(
        self, x: float, y: float, r: float, start: float, end: float, width: float, fill: RGB
    ) -> None:
        """Part of a ring, angles in degrees, clockwise from the right."""
        angle = np.radians(np.linspace(start, end, 24))
        outer = [(x + r * np.cos(a), y + r * np.sin(a)) for a in angle]
        inner = [(x + (r - width) * np.cos(a), y + (r - width) * np.sin(a)) for a in angle[::-1]]
        self.polygon(outer + inner, fill)

    def digit(self, text: str, x: float, y: float, height: float, ink: RGB) -> None:
        """One character, never mirrored, with its centre at (x, y)."""
        wanted = height * abs(self.scale[1])
        scale = wanted / cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 1.0, 1)[0][1]
        thick = max(2, round(wanted * 0.16))
        (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, thick)
        cx, cy = np.array([x, y]) * self.scale + self.origin
        place = (round(cx - wide / 2), round(cy + high / 2))
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(self.canvas, text, place, font, scale, ink, thick, cv2.LINE_AA)


def _car(p: Pen, c: RGB) -> None:
    p.polygon([(-0.55, -0.05), (-0.35, -0.5), (0.3, -0.5), (0.6, -0.05)], c)
    p.polygon([(-0.4, -0.08), (-0.27, -0.38), (-0.02, -0.38), (-0.02, -0.08)], WINDOW)
    p.polygon([(0.08, -0.08), (0.08, -0.38), (0.25, -0.38), (0.43, -0.08)], WINDOW)
    p.box(-0.98, -0.08, 0.98, 0.32, c)
    for x in (-0.52, 0.52):
        p.ellipse(x, 0.34, 0.25, 0.25, (46, 46, 50))
        p.ellipse(x, 0.34, 0.1, 0.1, (206, 206, 206))


def _boat(p: Pen, c: RGB) -> None:
    p.box(-0.06, -0.98, 0.04, 0.4, WOOD)
    p.polygon([(0.1, -0.9), (0.1, 0.22), (0.78, 0.22)], c)
    p.polygon([(-0.14, -0.66), (-0.14, 0.22), (-0.66, 0.22)], shade(c, 0.8))
    p.polygon([(-0.98, 0.36), (0.98, 0.36), (0.64, 0.86), (-0.64, 0.86)], c)


def _rocket(p: Pen, c: RGB) -> None:
    p.polygon([(-0.2, 0.55), (0.2, 0.55), (0.0, 0.99)], (250, 168, 40))
    p.polygon([(-0.3, 0.15), (-0.62, 0.7), (-0.24, 0.58)], shade(c, 0.75))
    p.polygon([(0.3, 0.15), (0.62, 0.7), (0.24, 0.58)], shade(c, 0.75))
    p.polygon(
        [
            (0, -0.99),
            (0.22, -0.68),
            (0.33, -0.25),
            (0.33, 0.2),
            (0.24, 0.6),
            (-0.24, 0.6),
            (-0.33, 0.2),
            (-0.33, -0.25),
            (-0.22, -0.68),
        ],
        c,
    )
    p.ellipse(0, -0.25, 0.17, 0.17, WINDOW)


def _tree(p: Pen, c: RGB) -> None:
    p.box(-0.15, 0.5, 0.15, 0.98, WOOD)
    for top, bottom, width in ((0.0, 0.62, 0.74), (-0.5, 0.22, 0.6), (-0.98, -0.25, 0.45)):
        p.polygon([(0, top), (width, bottom), (-width, bottom)], c)


def _flower(p: Pen, c: RGB) -> None:
    p.box(-0.06, 0.1, 0.06, 0.98, GREEN)
    p.ellipse(0.25, 0.66, 0.26, 0.1, GREEN, -0.5)
    p.ellipse(-0.25, 0.76, 0.26, 0.1, GREEN, 0.5)
    for angle in np.arange(6) * np.pi / 3:
        p.ellipse(0.36 * np.cos(angle), -0.36 + 0.36 * np.sin(angle), 0.26, 0.26, c)
    p.ellipse(0, -0.36, 0.22, 0.22, (250, 200, 60) if c != COLOUR_OF_HEART else (150, 92, 40))


COLOUR_OF_HEART = (247, 208, 50)  # a yellow flower needs a brown heart


def _mushroom(p: Pen, c: RGB) -> None:
    p.polygon([(-0.2, -0.02), (0.2, -0.02), (0.28, 0.92), (-0.28, 0.92)], CREAM)
    angle = np.linspace(np.pi, 2 * np.pi, 24)
    p.polygon([(0.86 * np.cos(a), 0.1 + 0.88 * np.sin(a)) for a in angle], c)
    spot = (255, 255, 255) if max(c) - min(c) > 40 or max(c) < 60 else (220, 120, 120)
    for x, y, r in ((-0.42, -0.2, 0.13), (0.04, -0.45, 0.16), (0.46, -0.16, 0.12)):
        p.ellipse(x, y, r, r, spot)


def _house(p: Pen, c: RGB) -> None:
    p.box(-0.72, -0.15, 0.72, 0.9, c)
    p.polygon([(-0.95, -0.12), (0, -0.92), (0.95, -0.12)], shade(c, 0.7))
    p.box(-0.2, 0.3, 0.16, 0.9, WOOD)
    p.box(0.32, 0.1, 0.58, 0.4, WINDOW)
    p.box(-0.58, 0.1, -0.34, 0.4, WINDOW)


def _lighthouse(p: Pen, c: RGB) -> None:
    p.polygon([(-0.27, -0.5), (0.27, -0.5), (0.46, 0.97), (-0.46, 0.97)], c)
    stripe = (250, 250, 250) if max(c) - min(c) > 40 or max(c) < 60 else (176, 176, 186)
    p.polygon([(-0.31, -0.18), (0.31, -0.18), (0.36, 0.18), (-0.36, 0.18)], stripe)
    p.polygon([(-0.39, 0.48), (0.39, 0.48), (0.43, 0.76), (-0.43, 0.76)], stripe)
    p.box(-0.22, -0.8, 0.22, -0.5, (255, 232, 120))
    p.polygon([(-0.32, -0.76), (0, -0.99), (0.32, -0.76)], shade(c, 0.7))


def _tent(p: Pen, c: RGB) -> None:
    p.polygon([(0, -0.72), (0.98, 0.74), (-0.98, 0.74)], c)
    p.polygon([(0, -0.72), (0.98, 0.74), (0.5, 0.74)], shade(c, 0.78))
    p.polygon(
        [(-0.12, -0.2), (0.16, 0.74), (-0.4, 0.74)],
        (60, 54, 60) if max(c) > 60 else (190, 180, 170),
    )


def _fish(p: Pen, c: RGB) -> None:
    p.polygon([(0.45, 0), (0.98, -0.42), (0.86, 0), (0.98, 0.42)], shade(c, 0.75))
    p.polygon([(-0.2, -0.36), (0.12, -0.68), (0.3, -0.3)], shade(c, 0.75))
    p.ellipse(-0.18, 0, 0.78, 0.46, c)
    p.ellipse(-0.58, -0.1, 0.13, 0.13, (255, 255, 255))
    p.ellipse(-0.61, -0.1, 0.06, 0.06, (20, 20, 20))


def _duck(p: Pen, c: RGB) -> None:
    p.polygon(
        [(-0.72, -0.52), (-0.99, -0.4), (-0.72, -0.3)],
        (245, 140, 30) if c != (245, 132, 31) else (236, 206, 60),
    )
    p.polygon([(0.5, 0.2), (0.98, -0.18), (0.84, 0.5)], c)
    p.ellipse(0.12, 0.34, 0.76, 0.46, c)
    p.ellipse(-0.44, -0.4, 0.36, 0.36, c)
    p.ellipse(0.26, 0.3, 0.36, 0.22, shade(c, 0.78))
    p.ellipse(-0.54, -0.48, 0.08, 0.08, (20, 20, 20) if max(c) > 60 else (250, 250, 250))


def _butterfly(p: Pen, c: RGB) -> None:
    for side in (-1, 1):
        p.ellipse(side * 0.52, -0.38, 0.46, 0.4, c, side * -0.5)
        p.ellipse(side * 0.42, 0.42, 0.34, 0.36, shade(c, 0.84), side * 0.5)
        p.ellipse(
            side * 0.56, -0.4, 0.16, 0.16, (255, 240, 200) if min(c) < 200 else (240, 170, 90)
        )
    p.ellipse(0, 0.02, 0.1, 0.66, (70, 58, 54))


def _mug(p: Pen, c: RGB) -> None:
    p.arc(0.5, 0.05, 0.44, -90, 90, 0.17, c)
    p.box(-0.62, -0.6, 0.5, 0.76, c)
    p.ellipse(-0.06, -0.6, 0.56, 0.14, shade(c, 0.6))


def _teapot(p: Pen, c: RGB) -> None:
    p.arc(0.56, 0.1, 0.42, -100, 100, 0.15, c)
    p.polygon([(-0.5, 0.36), (-0.99, -0.34), (-0.78, -0.4), (-0.4, -0.02)], c)
    p.ellipse(0.02, 0.18, 0.64, 0.58, c)
    p.ellipse(0.02, -0.34, 0.34, 0.12, shade(c, 0.72))
    p.ellipse(0.02, -0.54, 0.12, 0.12, shade(c, 0.72))


def _ball(p: Pen, c: RGB) -> None:
    p.ellipse(0, 0, 0.86, 0.86, c)
    p.arc(0, 0, 0.86, 20, 160, 0.3, shade(c, 0.82))
    p.ellipse(-0.3, -0.36, 0.18, 0.14, shade(c, 1.5) if min(c) < 200 else (214, 218, 226), -0.6)


def _snowman(p: Pen, c: RGB) -> None:
    p.ellipse(0, 0.5, 0.52, 0.46, c)
    p.ellipse(0, -0.2, 0.38, 0.36, c)
    ink = (40, 40, 44) if max(c) > 60 else (236, 236, 236)
    for x, y in ((-0.13, -0.28), (0.13, -0.28), (0, 0.32), (0, 0.58)):
        p.ellipse(x, y, 0.055, 0.055, ink)
    p.polygon(
        [(0, -0.2), (0.34, -0.12), (0, -0.07)],
        (250, 140, 30) if c != (245, 132, 31) else (250, 240, 230),
    )
    p.box(-0.28, -0.98, 0.28, -0.56, (70, 66, 78))
    p.box(-0.44, -0.6, 0.44, -0.5, (70, 66, 78))


def _table(p: Pen, c: RGB) -> None:
    for x in (-0.72, 0.54):
        p.box(x, -0.2, x + 0.18, 0.92, shade(c, 0.8))
    p.box(-0.84, -0.14, 0.84, 0.06, shade(c, 0.8))
    p.box(-0.98, -0.36, 0.98, -0.12, c)


def _crate(p: Pen, c: RGB) -> None:
    p.box(-0.82, -0.74, 0.82, 0.9, c)
    p.polygon([(-0.6, -0.5), (-0.44, -0.6), (0.6, 0.66), (0.44, 0.76)], shade(c, 0.78))
    for y in (-0.74, 0.68):
        p.box(-0.82, y, 0.82, y + 0.22, shade(c, 0.78))
    for x in (-0.82, 0.6):
        p.box(x, -0.74, x + 0.22, 0.9, shade(c, 0.78))


DRAW: dict[str, Callable[[Pen, RGB], None]] = {
    "car": _car, "boat": _boat, "rocket": _rocket, "tree": _tree, "flower": _flower,
    "mushroom": _mushroom, "house": _house, "lighthouse": _lighthouse, "tent": _tent,
    "fish": _fish, "duck": _duck, "butterfly": _butterfly, "mug": _mug, "teapot": _teapot,
    "ball": _ball, "snowman": _snowman, "table": _table, "crate": _crate,
}  # fmt: skip

# category -> where it carries a digit: x, y of the centre and height, in its own square
PLATES: dict[str, tuple[float, float, float]] = {
    "car": (0.0, 0.13, 0.34),
    "boat": (0.0, 0.61, 0.36),
    "rocket": (0.0, 0.24, 0.36),
    "house": (-0.44, 0.66, 0.34),
    "tent": (0.5, 0.5, 0.34),
    "mug": (-0.06, 0.12, 0.6),
    "teapot": (0.02, 0.24, 0.5),
    "ball": (0.0, 0.1, 0.66),
    "crate": (0.0, 0.08, 0.6),
}


def carry_digit(pen: Pen, category: str, colour: RGB, text: str) -> None:
    """Write a digit on a thing that was just drawn; `category` is one of PLATES."""
    x, y, height = PLATES[category]
    light_body = colour[0] * 0.3 + colour[1] * 0.59 + colour[2] * 0.11 > 150
    ink = DARK_INK if light_body or pen.outline else LIGHT_INK
    pen.digit(text, x, y, height, ink)


DAY_SKY = (214, 232, 246), (242, 246, 248)  # above, below
DUSK_SKY = (116, 112, 176), (255, 196, 150)


def draw_ground(
    size: int,
    horizon: float,
    top: RGB,
    bottom: RGB,
    phase: float,
    sky: tuple[RGB, RGB] = DAY_SKY,
) -> np.ndarray:
    """Pale sky over a softly shaded ground with a hilly horizon: [S, S, 3] uint8, S = size *
    SUPERSAMPLING.

    Args:
        horizon: its height as a share of the picture, from above.
        phase: where the hills begin, in radians.
        sky: its colours at the upper edge of the picture and at the lower one, were it that deep.
    """
    y = np.linspace(0, 1, size)[:, None]
    x = np.linspace(0, 1, size)[None, :]
    edge = horizon + 0.02 * np.sin(2 * np.pi * x * 1.5 + phase)
    depth = np.clip((y - edge) / (1 - edge), 0, 1)[..., None]
    ground = np.array(top) * (1 - depth) + np.array(bottom) * depth
    above, below = np.array(sky[0]), np.array(sky[1])
    heaven = above * (1 - y[..., None]) + below * y[..., None]
    cover = np.clip((y - edge) * size + 0.5, 0, 1)[..., None]  # antialiased at the horizon
    picture = (heaven * (1 - cover) + ground * cover).round().astype(np.uint8)
    side = size * SUPERSAMPLING
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_NEAREST)
