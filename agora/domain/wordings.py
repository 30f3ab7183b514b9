"""Ways to word one question: frames that ask the same, whatever they are about.

Two wordings may be made one if no two questions that differ in nothing else have different
answers: "is there a way to" and "how do I", never "can I" and "should I", or "may I".
"""

import re
from collections.abc import Callable

from agora.domain.spelling import infinitive, present

_WH = "how|what|when|where|which|who|whom|whose|why"
_AUX = "is|are|am|was|were|do|does|did|can|could|should|would|will|may|must|have|has|might|shall"
_ASKING = rf"(?:{_WH}|{_AUX})\b"
_CLAUSE = (
    "if|when|while|after|before|because|since|unless|until|once|although|for|in|on|at|with|without"
    "|under|by|from|to|during|inside|within|per|given|near|using|as|about|regarding|concerning"
)
_WAY = (
    r"(?:(?:good|best|easiest|easy|right|correct|proper|usual|simplest|simple|recommended|standard"
    r"|quick|normal) )?(?:way|method|procedure|process|approach|steps|technique|command)"
)
_I = "(?:i|we|you|one|somebody|someone|people)"


def _gerund(head: str) -> Callable[[re.Match[str]], str]:
    """Return a replacement: the head, then the verb that stands in -ing."""
    return lambda match: f"{head} {infinitive(match[1])}{''.join(match.groups()[1:])}"


def _in_language(match: re.Match[str]) -> str:
    return f"how {infinitive(match[2])}{match[3]} in {match[1]}"


_FRAMES: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), asked)
    for pattern, asked in (
        (r"^([\w#+.-]+(?: [\w#+.-]+)?): (what|who) (is|are|was|were) its (.+)$", r"\2 \3 \4 of \1"),
        # I would like to …, how?
        (
            rf"^(?:{_I} (?:am |are )?(?:want|need|would like|trying|looking|have) to|to) ([^?!]+?)"
            rf"[,.:;–-]+ ?how(?: (?:do|can|could|would|should) {_I}(?: do)?(?: it| that| this)?"
            r"| is (?:it|this|that) done| to(?: do (?:it|that|this))?)?$",
            r"how \1",
        ),
        (r"^(\w+ing)( .+), how is (?:it|this|that) done$", _gerund("how")),
        (r"^([\w#+.]+(?: [\w#+.]+)?): (.+?),? how$", r"how \2 in \1"),
        (
            rf"^what is the (?!{_WAY})(\w\S*(?: server)?) (?:code|query|command|way|syntax)"
            r" (?:to|for|of) (\w+)(.*)$",
            _in_language,
        ),
        (
            r"^(?:what|which) (\w\S*(?: server)?) (?:code|query|statement|command|snippet|call)"
            r" (\w+?)s (.+)$",
            r"how \2 \3 in \1",
        ),
        # Tell me …
        (
            r"^(?:please )?(?:(?:can|could|would|will) you )?(?:please )?(?:explain|tell me|show me"
            rf"|describe|clarify|say)(?: to me)?,? (?=(?:{_WH}|if|whether)\b)",
            "",
        ),
        (
            r"^(?:please )?(?:(?:can|could|would|will) you )(?:please )?(?:explain|tell me|give me"
            r"|describe) (?=(?:the|a|an|my|our)\b)",
            "what is ",
        ),
        (rf"^(?:do you know|any idea|i wonder|does anyone know),? (?=(?:{_WH})\b)", ""),
        # how
        (
            rf"^(?:what (?:is|are)|is there|are there) (?:the|an?|any) {_WAY}(?: for {_I})? to ",
            "how ",
        ),
        (
            rf"^(?:what (?:is|are)|is there|are there) (?:the|an?|any) {_WAY} "
            r"(?:of|for|involved in) (\w+ing)(.*)$",
            _gerund("how"),
        ),
        (rf"^what (?:do|must|should|can) {_I} (?:need to |have to )?do (?:in order )?to ", "how "),
        (
            rf"^how (?:do|can|could|would|might|does) {_I} (?:go about|best) (\w+ing)(.*)$",
            _gerund("how"),
        ),
        (rf"^how (?:do|can|could|would|might|does) {_I} (?!not\b)", "how "),
        (r"^how (?:is it possible )?to ", "how "),
        (rf"^in (?:what|which) way (?:do|can|could) {_I} ", "how "),
        # why
        (
            r"^(?:what is|what are) the reasons? (?:(?:that|why|for which) )?(?!for\b|to\b|of\b)",
            "why ",
        ),
        (r"^(?:how come|for what reason)\b", "why"),
        (r"^why is it that ", "why "),
        (r"^(.+?)[,;:-]+ ?why(?: is (?:that|this|it)(?: so)?)?$", r"why \1"),
        (r"^(?:what is |what are )?the causes? of ", "what cause "),
        (r"^(.+?)[,:;-]+ what (?:is the cause|causes (?:it|this|that))$", r"what cause \1"),
        # when
        (
            r"^(?:at |by )?what (?:time|hour) (?!(?:is|was) it\b)"
            r"(?=(?:do|does|is|are|did|can|will)\b)",
            "when ",
        ),
        # what … mean
        (r"^(?:what is |what are )?(?:the )?(?:exact )?meaning of (.+)$", r"what \1 mean"),
        (r"^what is meant by (.+)$", r"what \1 mean"),
        (r"^what do(?:es)? (.+?) mean\b", r"what \1 mean"),
        (r"^(.+?), what do(?:es)? (?:it|this|that|they)(?: \w+)? mean$", r"what \1 mean"),
        # how many, how much, how far …
        (r"^what (?:is|are) the (?:total )?number of ", "how many "),
        (r"^what (?:is|are) the (?:total )?amount of ", "how much "),
        (
            r"^(?:what is|what are) the (?:price|prices|cost|costs) (?:of|for) (.+)$",
            r"what \1 cost",
        ),
        (r"^how much do(?:es)? (.+?) cost\b", r"what \1 cost"),
        (r"^what do(?:es)? (.+?) cost\b", r"what \1 cost"),
        (r"^how far is (?:it )?(?:from )?(?=.+ (?:to|from)\b)", "what is the distance from "),
        (r"^how (?:tall|high) is ", "what is the height of "),
        (r"^how old is ", "what is the age of "),
        (r"^how (?:big|large) is ", "what is the size of "),
        (r"^how deep is ", "what is the depth of "),
        (r"^how heavy is ", "what is the weight of "),
        # can: it is possible; whether it is allowed is another question
        (r"^(?:is|would) it (?:be )?possible(?: for me| for us)? to ", "can i "),
        (r"^(?:am i|are we|would i be|will i be) able to ", "can i "),
        (r"^could (?:i|we) ", "can i "),
        (r"^can we ", "can i "),
        (r"^(?:have|has) (you|we|i|they) got ", r"do \1 have "),
        (r"^(?:am|are|is) (.+?) able to ", r"can \1 "),
        (
            r"^(?:is|would) it (?:be )?(?:allowed|permitted|ok|okay|fine)(?: for me| for us)? to ",
            "may i ",
        ),
        (r"^(?:am|are|is) (.+?) (?:allowed|permitted) to ", r"may \1 "),
        (r"^may we ", "may i "),
        (r"^(?:do|does) (.+?) allow (\S+|an? \S+) to (.+)$", r"may \2 \3 under \1"),
        (r"^under ((?:the )?\S+),? may (.+)$", r"may \2 under \1"),
        (
            r"^can (.+?) be (\w+ed)\b(.*)$",
            lambda match: f"can i {present(match[2])} {match[1]}{match[3]}",
        ),
        (r"^(how long|for how long) should ", r"\1 "),
        (r"^for how long ", "how long "),
        (r"^(?:do|does) (.+?) allow (\S+|an? \S+) to (.+)$", r"can \2 \3 under \1"),
        (r"^under ((?:the )?\S+),? (?:can|may) (.+)$", r"can \2 under \1"),
        # should
        (
            r"^(?:is|would) it (?:be )?(?:a good idea|smart|wise|advisable|sensible|a smart idea"
            r"|recommended|worth it)(?: for me)? to ",
            "should i ",
        ),
        # support
        (r"^(?:is|are) (.+?) supported (?:in|by|on) (.+)$", r"do \2 support \1"),
        (r"^(?:is|are) (.+?) available (?:in|on|for|with) (.+)$", r"do \2 have \1"),
        (r"^what is the time in\b", "what time is it in"),
        (
            r"^(?:what|which) (\w+(?: \w+)?) (?:is|are|was) (?:the )?(\w+est|(?:most|least) \w+)"
            r"(?= (?:in|of|on|at|to|for)\b|$)",
            r"what is the \2 \1",
        ),
        # The capital of France is France's capital.
        (
            r"^(what|who|when) (is|are|was|were) ((?:the )?[\w.]+)'s (?!\w+ing\b)(.+)$",
            r"\1 \2 the \4 of \3",
        ),
        (r"^(which (?:city|town|language|currency)) is the (\w+) of ", r"what is the \2 of "),
        (r"^(?:list|name|give me|tell me|enumerate) (?:all )?(?:of )?the ", "what are the "),
        (r"^(?:what|which) (?:is|are) the (\w+) that ", r"what \1 "),
        (r"\bdistance between (.+?) and ", r"distance from \1 to "),
        (r"^which (?=(?!of\b|one\b|is\b|are\b)\w+)", "what "),
        (r"^what (?:is|are) the (?=\S)", ""),
    )
)


_BESIDE_A_NAME = "to|and|or|in|on|at|is|are|for|with|of|from|do|does|vs|versus|than|by|an?|the|not"
_NAMED = frozenset(
    "a an the my our your this that vitamin vitamins hepatitis type types plan class group grade"
    " section appendix option schedule series part influenza team exhibit form tier level model key"
    " category zone line terminal gate platform route block unit building room point variable"
    " column row set node record answer version side and or vs versus".split()
)


def _without_article(match: re.Match[str]) -> str:
    # Of vitamin A and plan A the letter is the name.
    return match[0] if match[1] in _NAMED else f"{match[1]} "


_CLAUSE_FIRST = re.compile(rf"^((?:{_CLAUSE})\b [^,?!;]+), (?:then )?(?={_ASKING})(.+)$")


_ARTICLE = re.compile(rf"\b(\w+) an? (?!(?:{_BESIDE_A_NAME})\b)(?=\w)")


def question_first(text: str) -> str:
    """Return the text with a clause that stands before the question behind it."""
    return _CLAUSE_FIRST.sub(r"\2 \1", text)


def plain_frame(text: str) -> str:
    """Return the question as it is most often put, in lower case without its mark."""
    for pattern, asked in _FRAMES:
        text = pattern.sub(asked, text, count=1)
    return _ARTICLE.sub(_without_article, text)


_LITTLE = (
    r"usually|typically|normally|generally|actually|really|basically|simply|please|kindly|possibly"
    r"|in general|as a rule|in order(?= to\b)"
)
_LANGUAGES = (
    r"python|java|javascript|js|typescript|go|golang|rust|ruby|php|perl|kotlin|swift|scala|c|c\+\+|c#"
    r"|r|julia|bash|sql|haskell|lua|dart|elixir"
)
_UNITS = (
    "kg|mg|ml|cm|mm|km|gb|mb|tb|kb|ms|mph|kph|lbs?|oz|min|mins|hrs?|sec|secs|kw|kwh|tbsp|tsp|ft"
)
_WRITTEN = tuple(
    (re.compile(pattern), said)
    for pattern, said in (
        (rf"\b(?:{_LITTLE})\b ?", ""),
        (r"(\d)\((\w)\)", r"\1\2"),  # 401(k), but not f(x)
        (r"\badvantages\b", "benefits"),
        (r"\b(?:disadvantages|downsides)\b", "drawbacks"),
        (r"\b(the|a|your|my|nearest|local|this|that|which|what) (store)(s?)\b", r"\1 shop\3"),
        (r"\bload (?=[\w ]*\bfiles?\b)", "read "),
        (r"\bnoon\b", "12 pm"),
        (r"\bmidnight\b", "12 am"),
        (rf"\b(?:with|using) (?=(?:{_LANGUAGES})(?: |$))", "in "),
        (r"\b(maximum|max|minimum|largest|highest) (?:possible )?number of ", r"\1 "),
        (rf"\b(\d+(?:\.\d+)?)({_UNITS})\b", r"\1 \2"),
        (r"\b(\d+)(?::00)? ?(?:o'clock )?in the morning\b", r"\1 am"),
        (r"\b(\d+)(?::00)? ?(?:o'clock )?in the (?:afternoon|evening)\b", r"\1 pm"),
        (r"\b(\d+):00 ?(am|pm)\b", r"\1 \2"),
        (r"\b(\d+(?:\.\d+)?) ?(?:percent|per cent)\b", r"\1%"),
        (
            r"\b(?:a|each|every) (day|week|month|year|hour|minute|second)\b"
            r"(?! (?:before|after|ago|in advance|later|old))",
            r"per \1",
        ),
        (r"\b(turn|switch) ((?:\w+ ){1,4})(on|off)$", r"\1 \3 \2"),
        (r"\b(?:turn|transform|change) (.+?) into\b", r"convert \1 to"),
        (r"\bconvert (.+?) into\b", r"convert \1 to"),
        (r"\bsubstitute (.+?) for (.+?)(?= (?:in|when|while|on)\b|$)", r"use \1 instead of \2"),
        (
            r"\breplace (.+?) (?:with|by) (.+?)(?= (?:in|when|while|on)\b|$)",
            r"use \2 instead of \1",
        ),
        (r"\bfor (\w{3,}ing)\b", _gerund("to")),
        (
            # What holds when it rains holds if it does; to know when is not to know if.
            r"(?<=[a-z] )(?<!know )(?<!tell )(?<!say )(?<!see )(?<!check )(?<!decide )(?<!and )"
            r"(?<!or )when (?!(?:to|do|does|did|is|are|can|will|should)\b)",
            "if ",
        ),
        (r"\b((?:is|are) .+?) considered (?=\w)", r"\1 "),
        (r"\bby (?:means of|using)\b|\bwith the help of\b", "with"),
        (r"\b1st\b", "first"),
        (r"\b2nd\b", "second"),
        (r"\b3rd\b", "third"),
        (r"\bdo not have to\b", "need not"),
        (r"\bhave to\b", "must"),
        (r"\b(?:need|needs|has) to\b", "must"),
    )
)


def plainly_written(text: str) -> str:
    """Return the text without words that ask nothing, its units and times written one way."""
    for pattern, said in _WRITTEN:
        text = pattern.sub(said, text)
    return text.strip()
