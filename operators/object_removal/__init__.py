"""An object of an image erased: image pairs that differ in what stands there (Img-Diff, section
19)."""
