"""When two questions are the same one typed twice, and which are never answered from memory.

Two questions share a key when their numbers, negations, identifiers, question words and content
words are the same in the same order. A threshold on cosine lets such traps pass: "from A to B".
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache

from agora.domain import spelling, synonyms, wordings

_WH = r"(?:how|what|when|where|which|who|whom|whose|why)"
_AUXILIARY = r"(?:is|are|am|was|were|do|does|did|can|could|should|would|will|may|must|have|has)"
_ASKING = rf"(?:{_WH}(?:'?s)?|{_AUXILIARY})\b"
_GREETING = (
    r"(?:hi|hello|hey|hiya|dear|greetings|(?:good )?(?:morning|afternoon|evening)|good day)"
    r"(?: (?:there|all|team|everyone|everybody|folks|again))?"
)
_PREFACE = (
    r"(?:sorry to bother you|just wondering|i was wondering|please help(?: me)?"
    r"|(?:(?:sorry|just|one|another|an?),? )*(?:quick|silly|basic|short|dumb|simple|small|stupid) "
    r"(?:question|one))"
)
_OPENINGS = (
    re.compile(rf"^(?:(?:so|well|ok|okay|oh|yeah|yes|er),? )+(?={_ASKING})"),
    re.compile(rf"^{_GREETING}\s*(?:[,!.:;–—-]+\s*|\s(?={_ASKING}))"),
    re.compile(rf"^{_PREFACE}\s*(?:[,!.:;–—-]+\s*(?:but )?|\s(?:but )?(?={_ASKING}))"),
    re.compile(rf"^(?:please )?(?:(?:can|could|would) you )?(?:please )?tell me,? (?={_WH}\b)"),
    re.compile(rf"^(?:do you know|i(?: would|'d) like to know|i want to know),? (?={_WH}\b)"),
)
_THANKS = r"(?:thank(?:s| you)(?: (?:a lot|so much|very much|in advance))?|many thanks|cheers)"
_CLOSINGS = (
    re.compile(rf"(?<=[?.!,;])\s*{_THANKS}[\s.!]*$"),
    re.compile(r"(?<!say)(?<!word)(?<!write)(?<!spell)(?<!for)[,?.]?\s+please[\s.!?]*$"),
)
_HESITATION = re.compile(r"\b(?:um+|uh+|uhm|erm|hmm+)\b,? ")
_TYPOGRAPHY = str.maketrans("’‘“”‐‑−？！，。", "''\"\"---?!,.")


@lru_cache(maxsize=256)
def normal_form(text: str) -> str:
    """Return the text without case, spare white space, greeting, thanks and closing marks."""
    words = unicodedata.normalize("NFC", text).translate(_TYPOGRAPHY).split()
    # grep -v and grep -V are two things.
    whole = " ".join(word if re.match(r"-\w", word) else word.casefold() for word in words)
    short = _HESITATION.sub("", whole)
    for frame in (*_OPENINGS, *_CLOSINGS, *_OPENINGS, *_CLOSINGS):
        short = frame.sub("", short, count=1).rstrip(" ?!…,;:")
    return short.rstrip(" ?!.…,;:") or whole


_PLACE = "in|on|at|for|near|with|under|during|inside|within"
_NOT = r"\b(do|does|did|is|are|was|were|has|have|had|would|should|could)n'?t\b"
_I_WANT = r"^(?:i|we) (?:want|need|would like) to ([^?!]+)[,.:;] how"
_SAME = tuple(
    (re.compile(pattern), plain)
    for pattern, plain in (
        (r"\b(?:can'?t|cannot)\b", "can not"),
        (r"\bwon't\b", "will not"),
        (_NOT, r"\1 not"),
        (rf"\b({_WH})'?s\b", r"\1 is"),
        (r"\b(i|we|you|they)'d like\b", r"\1 would like"),
        (r"\b(\w+)'ve\b", r"\1 have"),
        (r"\b(\w+)'re\b", r"\1 are"),
        (r"\b(\w+)'ll\b", r"\1 will"),
        (r"\bi'm\b", "i am"),
        (r"\b(\d+) ?(am|pm)\b", r"\1 \2"),
        (r"\b(\w*)(met|lit|cent|theat)re(s?)\b", r"\1\2er\3"),
        (r"\b(col|fav|flav|harb|lab|neighb|behavi)our", r"\1or"),
        (r"\bwhat is (?:the|a) (?:(?:best|right|correct|proper|usual) )?way to\b", "how to"),
        (rf"{_I_WANT}(?: (?:do|can|could|would|should) (?:i|we)(?: do)? it)?$", r"how to \1"),
        # "In Go, how do I …?" asks what "How do I … in Go?" asks.
        (rf"^((?:{_PLACE}) [^,?!;]+), (?={_ASKING})(.+)$", r"\2 \1"),
        (r"\bhow (?:(?:do|can|could|would) )?(?:i|you|we|one) (?!not\b)", "how "),
        (r"\bhow to\b", "how"),
    )
)
LONGEST = 2_000
"""Characters; nobody types a longer text twice, so its key is the text itself."""
_STOP = frozenset(("the", "of", "is", "are", "be", "do", "does"))


@lru_cache(maxsize=1_000)
def key(text: str) -> str:
    """Return what two questions share only if the answer to one may serve the other.

    One equality look-up replaces the comparison of pairs. Questions with other typing errors or in
    other words have other keys: they are a judge's business.
    """
    if len(text) > LONGEST:
        return text
    text = normal_form(_LABEL.sub("a_", text))
    for pattern, plain in _SAME:
        text = pattern.sub(plain, text)
    text = _spelled(text)
    text = wordings.question_first(text)
    text = wordings.plain_frame(wordings.plainly_written(text))
    said = [spelling.stem(word) for word in _in_digits(_words(text)) if word not in _STOP]
    return " ".join(synonyms.plain_names(said)) or text


_LABEL = re.compile(r"(?<=[a-z] )A(?= [a-z]|\W|$)")
"""A capital where an article has none: vitamin A, an A record."""
_WORD = re.compile(r"(?<![\w@#/\\._-])[a-z]{5,}(?![\w@#/\\_]|[.-]\w)")


def _spelled(text: str) -> str:
    """Return the text without typing errors, if it is English."""
    if not spelling.is_english(re.findall(r"[^\W\d_]+", text)):
        return text
    return _WORD.sub(lambda match: spelling.corrected(match[0]), text)


_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?!,?\d)")
_IDENTIFIER = re.compile(
    r".*[_/@#\\].*|.*[^.:][.:]+[^.:].*|.*\d.*[^\W\d_].*|.*[^\W\d_].*\d.*|\d+-\d.*|--?\w.*|\..+"
)
# A word, a number, or a sign that stands for itself ($ € % < + …); plain punctuation says nothing.
_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d+|[^\w\s\"'`()\[\]{},;:?!.-]")


def _words(text: str) -> Iterator[str]:
    for chunk in _THOUSANDS.sub(lambda match: match[0].replace(",", ""), text).split():
        bare = chunk.lstrip("\"'`([{*").rstrip("\"'`)]},;:?!.*")
        if _IDENTIFIER.fullmatch(bare.strip("$€£%")):
            yield bare
        else:
            yield from (match[0].removesuffix("'s") for match in _TOKEN.finditer(bare))


_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
    "fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
_VALUE = {word: value for value, word in enumerate(_ONES)}
_VALUE |= {word: 10 * value for value, word in enumerate(_TENS, start=2)}
_TIMES = {"hundred": 100, "thousand": 1000}


def _in_digits(words: Iterable[str]) -> Iterator[str]:
    number: int | None = None
    for word in words:
        if (grown := _grow(number, word)) is not None:
            number = grown
            continue
        if number is not None:
            yield str(number)
        number = _VALUE.get(word)
        if number is None:
            yield word
    if number is not None:
        yield str(number)


def _grow(number: int | None, word: str) -> int | None:
    if not number:
        return None
    if number < _TIMES.get(word, 0):
        return number * _TIMES[word]
    follows = 10 if number % 10 == 0 and number % 100 >= 20 else 100 if number % 100 == 0 else 0
    return number + _VALUE[word] if 0 < _VALUE.get(word, 0) < follows else None


def are_apart(one: str, other: str) -> bool:
    """Return whether two questions cannot be the same: each names a number that the other lacks."""
    numbers, others = _numbers(one), _numbers(other)
    return bool(numbers - others) and bool(others - numbers)


@lru_cache(maxsize=10_000)
def _numbers(text: str) -> frozenset[str]:
    words = " ".join(_in_digits(_words(text[:LONGEST].casefold())))
    return frozenset(re.findall(r"\d+(?:\.\d+)*", words)) - {"1"}  # one is often no number


_RESTS = re.compile(
    r"^(?:and|but|or|so|then|also|what about|how about|why not|same|again|ok|okay|yes|no|thanks)\b"
    r"|\b(?:it|its|that|this|these|those|they|them|their|he|him|his|she|her|there|one|ones|same"
    r"|above|previous|former|latter|instead|else|other|others|another|more|again|too|also|you said"
    r"|your answer|earlier|before|first|second|last|next|step \d+|example)\b"
)


_GOES_ON = re.compile(r"^(?:and|but|or|what about|how about|same)\b")


def goes_on(text: str) -> bool:
    """Return whether a text begins as if something had been said before, heard by us or not."""
    return bool(_GOES_ON.search(normal_form(text)))


def rests_on_others(text: str) -> bool:
    """Return whether a turn of a conversation may need the others: a word in it points outside."""
    form = normal_form(text)
    return len(form.split()) < 4 or bool(_RESTS.search(form))


_PERSONAL = re.compile(
    r"\b(?:who|what|when|where|which|how (?:much|many|old|far|long))(?:'?s| is| are| was| were)"
    r" (?:my|our)\b"
    r"|^(?:is|are|was|were|has|have|did|does|will) (?:my|our)\b"
    r"|\b(?:did|have|was|were) (?:i|we)\b|\bdo (?:i|we) (?:owe|have(?! to\b))"
    r"|\b(?:who|where|how old) am i\b|\b(?:remind|about|know|remember|told|for) me\b"
    r"|\bmy (?:name|orders?|balance|salary|birthday)\b"
    r"|(?<![\w.+-])[\w.+-]{1,64}@[\w-]+\.\w+|\+\d[\d ()-]{7,}\d"
)
_LIVE = re.compile(
    r"\b(?:now|nowadays|today|tonight|tomorrow|yesterday|currently|current|latest|newest|recently"
    r"|(?<!most )(?<!least )recent|live|ongoing|so far|at the moment|at present|up to date"
    r"|breaking|news|weather|forecast"
    r"|(?:this|next|last) (?:morning|afternoon|evening|night|week|weekend|month|quarter|year)"
    r"|still (?:open|down|running)|score of|(?:stock|share) price|exchange rate"
    r"|in stock|(?:status|price|state) of|what (?:time|day) is it"
    r"|what(?:'s| is) the (?:time|date)(?! (?:to|it|for)\b))\b"
)
_SUPPOSED = re.compile(
    r"\b(?:when|if) it(?:'s| is) (?:\d|noon|midnight|[a-z]+ (?:o'clock|am|pm)\b)"
)
"""A time that is given: what time it is elsewhere then, whenever one asks."""
_DEED = re.compile(
    r"^(?:please |(?:can|could|would|will) you (?:please )?|i (?:want|need) you to |go ahead and )*"
    r"(?:send|e-?mail|mail|message|text|call|phone|notify|remind|post|publish|tweet|upload|submit"
    r"|file|delete|remove|drop|erase|wipe|cancel|revoke|undo|close|open|reopen|archive|move|rename"
    r"|copy|book|reserve|order|buy|sell|pay|refund|transfer|invest|donate|subscribe|unsubscribe"
    r"|register|sign|create|add|insert|set|change|update|edit|modify|replace|fix|patch|save|store"
    r"|write to|overwrite|run|execute|launch|start|stop|restart|reboot|kill|install|uninstall"
    r"|upgrade|deploy|roll ?back|commit|push|merge|revert|approve|reject|schedule|turn|enable"
    r"|disable|lock|unlock|freeze|grant|make)\b"
)


def is_personal(text: str) -> bool:
    """Return whether the answer depends on who asks: it may not be served to anybody else."""
    return bool(_PERSONAL.search(normal_form(text)))


def is_live(text: str) -> bool:
    """Return whether the answer depends on when it is asked."""
    form = normal_form(text)
    return bool(_LIVE.search(form)) and not _SUPPOSED.search(form)


def has_side_effects(text: str) -> bool:
    """Return whether something is to be done, not said: done once is not done twice."""
    return bool(_DEED.search(normal_form(text)))


def may_be_kept(text: str) -> bool:
    """Return whether the answer may be served again at all: to anybody, at any time, said only."""
    return not (is_personal(text) or is_live(text) or has_side_effects(text))


def is_same(known: str, asked: str) -> bool:
    """Return whether the answer to one question would be served for another, by the gate alone."""
    return may_be_kept(known) and may_be_kept(asked) and key(known) == key(asked)
