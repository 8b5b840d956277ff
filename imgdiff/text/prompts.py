"""What the MLLM is asked. The embedded MLLM was trained on these very words; a recipe may say
others.

The questions follow Img-Diff (sections 3.4 and 15.4) in meaning; the wording is ours.
"""

REGION = {
    "coordinates": "Describe clearly what the region {box} of this image shows.",
    "box": "Describe clearly what the area inside the red box shows.",
    "crop": "Describe clearly what this part of an image shows.",
}
DIFFERENCE = (
    "The red box in the left image shows {caption_a}, and the red box in the right image shows "
    "{caption_b}. Describe the difference between the two areas in a few concise sentences."
)
DIFFERENCE_OF_TWO = (  # of models that read two pictures
    "The red box in the first image shows {caption_a}, and the red box in the second image shows "
    "{caption_b}. Describe the difference between the two areas in a few concise sentences."
)
DIFFERENCES = "List everything that differs between the two images."
PHRASES = (
    "List every visible object that a caption names, each in the caption's own words, with commas "
    "between. No actions, places or moods, and nothing else in your answer.\n"
    "Caption: Two children in yellow raincoats feed a duck beside a small pond.\n"
    "Objects: two children, yellow raincoats, a duck, a small pond\n"
    "Caption: It is a quiet evening; an old bicycle leans against the brick wall.\n"
    "Objects: an old bicycle, the brick wall\n"
    "Caption: {caption}\n"
    "Objects:"
)
NATURAL = "Is what this image shows natural, as in a real photo? Answer yes or no."
SCENE = "Describe this image."
EXISTS = "Is there {thing} in the image?"
EDIT_CAPTION = {
    "replace": (
        "Here is the caption of a photo. Replace exactly one object in it by another object of a "
        "similar kind and size that could plausibly be there. Change no other word. Answer with "
        "the new caption alone.\nCaption: {caption}"
    ),
    "attribute": (
        "Here is the caption of a photo. Change how exactly one object in it looks: put another "
        "colour, material, pattern or size in the place of the one that is named, or put one word "
        "in if none is. The object stays, and so does every other word. Answer with the new "
        "caption alone.\nCaption: {caption}"
    ),
    "add": (
        "Here is the caption of a photo. Add exactly one object that could plausibly be there, by "
        "a few words put into the caption, such as `next to a dog`. Change and remove no word. "
        "Answer with the new caption alone.\nCaption: {caption}"
    ),
}
PLAUSIBLE = (
    "Is this sentence good English, and could it be the caption of an ordinary photo? Answer yes "
    "or no.\nCaption: {caption}"
)
WRITE_NEGATIVE = {
    "insert": (
        "Here is the caption of a photo. Rewrite it so that it also names all of these: {objects}. "
        "Keep everything that it names, change as few words as possible, and write one fluent "
        "sentence. Answer with the new caption alone.\nCaption: {caption}"
    ),
    "remove": (
        "Here is the caption of a photo. Rewrite it so that it no longer names any of these: "
        "{objects}. Keep the rest, change as few words as possible, name nothing new, and write "
        "one fluent sentence. Answer with the new caption alone.\nCaption: {caption}"
    ),
    "alter": (
        "Here is the caption of a photo that shows {objects}. Change an object, a colour or "
        "another attribute in it, so that it says something that is not true of the photo. Change "
        "as few words as possible, and write one fluent sentence. Answer with the new caption "
        "alone.\nCaption: {caption}"
    ),
}
