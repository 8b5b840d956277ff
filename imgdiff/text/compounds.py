"""Whether a noun of a caption stands for itself, or is part of a longer name.

There is no parser: a word beside a noun belongs to its name unless it is known not to. So `store`
is part of `a grocery store` and `pizza` of `a pizza box`, but `dog` of `a cute dog` stands for
itself, and so does `horses` of `riding horses`.
"""

from collections.abc import Sequence

from imgdiff.text.grammar import DETERMINERS, FOLLOWERS, MANY, PRONOUNS, SHADES

# words that describe a thing and name none
ADJECTIVES = SHADES | frozenset(
    """
    red orange yellow green blue purple violet pink white black brown tan beige grey gray silver
    gold golden cream navy turquoise teal maroon burgundy colourful colorful multicolored
    multi-colored clear transparent plain patterned striped checkered plaid spotted floral
    polka-dot camouflage neon bare wooden metal metallic plastic leather stone brick concrete
    marble granite steel wicker woven straw silk cotton denim woolen velvet lace paper-thin
    small little tiny miniature mini large big huge giant enormous massive gigantic great tall
    short long wide narrow thick thin slim fat chubby flat round square rectangular oval circular
    triangular curved straight oversized full-size large-sized medium medium-sized high low
    young old elderly older younger oldest middle-aged adult new modern ancient antique vintage
    retro old-fashioned fashioned traditional historic contemporary rustic
    cute pretty beautiful lovely adorable handsome attractive gorgeous ugly nice good fancy elegant
    stylish ornate decorative simple unique unusual strange funny silly happy sad angry smiling
    tired sleepy lazy curious playful friendly busy calm quiet lone lonely single solitary only
    other same similar different various several numerous many few more most much own next
    wild tame stray domestic fluffy furry hairy shaggy woolly fuzzy feathery scaly sleek skinny
    dirty clean messy tidy neat dusty muddy wet dry damp soggy snowy icy frozen sandy grassy rocky
    stony mossy leafy shady sunny cloudy stormy rainy foggy windy sunlit moonlit dark light bright
    shiny glossy glassy sparkly colored coloured empty full open closed broken old-time rusty worn
    torn weathered cracked smooth rough sharp soft hard stiff firm heavy lightweight sturdy fresh
    ripe raw juicy tasty delicious yummy sweet sour spicy salty crispy crunchy creamy cheesy greasy
    hot cold warm cool icy steaming homemade gourmet healthy organic whole half
    male female bald blonde blond brunette bearded shirtless barefoot pregnant asian african
    american european chinese japanese indian
    indoor outdoor upper lower inner outer front back rear left right first second third last final
    far near distant close nearby remote deep shallow steep rural urban public private local
    wintry autumn professional amateur famous typical real fake electric electronic digital
    double triple multiple assorted mixed matching such certain very quite too so
    """.split()
)
# verbs of captions, in their plain form; their other forms follow
VERBS = frozenset(
    """
    act add aim appear approach arrange arrive attempt await balance bark bask bathe be beg begin
    bend bite blend blow board bounce bow break breathe bring brush build burn buy call care carry
    catch celebrate chase cheer chew choose circle clap clean climb close come compete consist
    contain converse cook cool cover cross crouch crowd cry cuddle cut dance dangle decorate dig dip
    display dive do drag draw dress drift drink drip drive drop eat embrace emerge enjoy enter
    examine exit explore face fall feature feed fight fill fix flap float fly follow frolic gallop
    gather gaze get give glide go graze greet grill grin grip grow guide hang happen head help hide
    hike hit hold hop hover hug hunt inspect interact jog join jump keep kick kiss kneel knock land
    laugh lay lead lean leap learn leave let lick lie lift light line listen load look lounge lunge
    make march march meet melt mount move munch nap nuzzle observe offer overlook paddle paint pass
    pause peck pedal peek peer perch perform pet pick pitch place play plow point pose pour practice
    prepare present pull push put race raise reach read ready receive recline reflect relax rely
    remain repair rest return ride rise roam roll rub run rush sail say see seem sell serve set
    shake share shine shoot shop show sing sip sit skate ski sleep slide smell smile smoke sniff
    snowboard soak socialize soar speak spin splash sprawl spray spread sprint squat stack stand
    stare start stay steer step stick stop straddle stretch stroll strum study surf surround sway
    sweep swim swing swoop take talk taste tell text throw tie toss touch trail travel trot try tug
    turn type use view visit wade wait walk wander wash watch wave wear work wrap write yawn
    """.split()
)
IRREGULAR = frozenset(
    """
    has does goes went began bent bit blew broke brought built bought caught came chose cried dug
    dove drew drank drove ate fell fed fought flew gave got grew hung hid held kept knelt knew laid
    led left lay lit lost made met paid read rode rose ran said saw sold sent shone shot sang sat
    slept slid spoke spun stood stuck swam swung took told threw wore woke wrote
    been seen shown taken given driven drawn flown thrown worn torn broken frozen hidden written
    eaten fallen forgotten known
    """.split()
)
# words in -ing and -ed that name things, or make names of things: a boxing glove, a fishing rod
NAMING = frozenset(
    """
    boxing building ceiling wedding clothing painting railing string ring king wing spring evening
    morning bowling parking sewing dining living icing frosting topping dressing landing crossing
    bed red shed sled seed weed breed reed steed speed hundred
    family jelly belly fly butterfly lily bully ally jersey
    """.split()
)
BEFORE_PHRASES = ("at", "by", "from", "in", "of", "to")
# and those that do so in front of one alone: a riding school, but a man riding a horse
NAMING_BEFORE = NAMING | frozenset(
    """
    fishing swimming skating racing washing sleeping cutting baking cooking shopping drawing camping
    hunting riding rocking rolling filling training meeting waiting sitting changing playing
    """.split()
)
MOST_ADJECTIVES = 4  # between a noun and the word that its phrase begins behind


def _forms(verb: str) -> set[str]:
    """Of a verb in a sentence about now: sits, catches, carries."""
    if verb.endswith(("s", "x", "z", "ch", "sh", "o")):
        return {verb, verb + "es"}
    if verb.endswith("y") and verb[-2:-1] not in ("a", "e", "o", "u"):
        return {verb, verb[:-1] + "ies"}
    return {verb, verb + "s"}


PLACES = frozenset(  # adverbs, which say where or how
    """
    ahead alone apart around aside downhill here home indoors inside nearby outdoors outside
    overhead sideways today together uphill upright upside
    """.split()
)
VERB_FORMS = frozenset(form for verb in VERBS for form in _forms(verb)) | IRREGULAR


def ends_here(following: Sequence[str]) -> bool:
    """Whether a noun is the last word of its name, by the words after it, to the end of the clause:
    `a dog sleeps on`, not `a pizza box` or `a ham and cheese sandwich`."""
    if not following:
        return True
    if following[0] in ("and", "or", "&") and len(following) > 2:
        second, third = following[1], following[2]
        closed = second in DETERMINERS | ADJECTIVES or second.isdigit() or _is_verb(second)
        return closed or third in FOLLOWERS or _is_verb(third)
    return following[0] in FOLLOWERS or _is_verb(following[0])


def names_kind(word: str) -> bool:
    """Whether a word may say before a noun which kind of it is meant, and be no verb or the like:
    `charter` of `a charter bus`."""
    return not (word in FOLLOWERS | PRONOUNS | MANY or _is_verb(word) or describes(word))


def word_behind(before: Sequence[str]) -> str:
    """The word that a noun phrase follows, by the words before the noun: `on` of `on a small
    table`; empty where a clause begins."""
    words = list(before)
    while words and (describes(words[-1]) or words[-1] in DETERMINERS or words[-1].isdigit()):
        words.pop()
    return words[-1] if words else ""


def begins_here(before: Sequence[str], is_bare: bool) -> bool:
    """Whether a noun, or its attributes, is the first word of its name, by the words before it from
    the start of the clause: `a small dog`, `riding horses`, not `a grocery store`.

    is_bare: of a noun that needs an article, so that without one it may be part of a phrase: in
    bed, by bus.
    """
    words = list(before)
    for _ in range(MOST_ADJECTIVES):
        if not words or not describes(words[-1]):
            break
        words.pop()
    described = len(words) < len(before)
    if not words or words[-1] in DETERMINERS or words[-1].isdigit():
        return True
    last = words[-1]
    if last.endswith(("'s", "s'")):
        return True
    if last in PRONOUNS | MANY or last in ("and", "or", "&"):
        return True
    if last in FOLLOWERS:
        return described or not is_bare or last not in BEFORE_PHRASES
    described = len(words) > 1 and (words[-2] in DETERMINERS or describes(words[-2]))
    return _is_verb(last) and not (described or (len(words) < 2 and last in NAMING_BEFORE))


def describes(word: str) -> bool:
    """Whether a word before a noun says what it is like: an adjective, or the like."""
    participle = word.endswith("ed") and len(word) > 4 and word not in NAMING
    return word in ADJECTIVES or participle or (word.endswith("ly") and word not in NAMING)


def _is_verb(word: str) -> bool:
    """Or an adverb."""
    if word in NAMING:
        return False
    return word in VERB_FORMS or word in PLACES or word.endswith(("ing", "ed", "ly"))
