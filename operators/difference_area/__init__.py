"""The Difference Area Generator: image pairs in, boxes that really differ out (Img-Diff, section
3.3)."""
