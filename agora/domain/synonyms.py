"""Names of one thing, each in its shortest usual form: what abbreviates, and what cannot differ.

Two names may be made one if no two questions that differ in nothing else have different answers:
"k8s" and "Kubernetes", "buy" and "purchase"; never "activate" and "turn on" (a phone can be both).
"""

from collections.abc import Iterable
from functools import cache

from agora.domain.spelling import stem

_SAME = """
kubernetes = k8s
postgresql = postgres, postgre
mongodb = mongo, mongo db
javascript = js
typescript = ts
go = golang
python = py
c# = csharp, c sharp
node.js = nodejs
yaml = yml
jpeg = jpg
regular expression = regex, regexp
database = db
repository = repo
environment variable = env var
directory = folder, dir
configuration = config
administrator = admin
2 factor authentication = 2fa
visual studio code = vs code, vscode
google cloud = gcp, google cloud platform
amazon web services = aws
macos = mac os, os x, mac os x
wifi = wi fi
email = e mail
log in = login, sign in, log on, logon
mobile phone = cell phone, cellphone
phone = telephone
tv = television
fridge = refrigerator
united kingdom = uk, u.k
united states = usa, u.s, u.s.a, united states of america
united arab emirates = uae
new york city = nyc
european union = eu
maximum = max
information = info
versus = vs
hour = hr
minute = min
second = sec
kilogram = kg, kilo, kilogramme
milligram = mg
milliliter = ml
liter = litre
centimeter = cm
millimeter = mm
kilometer = km
mile per hour = mph
kilometer per hour = kph, km/h
ounce = oz
tablespoon = tbsp
teaspoon = tsp
foot = ft, feet
celsius = °c, degree celsius, centigrade
fahrenheit = °f, degree fahrenheit
gigabyte = gb
megabyte = mb
terabyte = tb
kilobyte = kb
us dollar = usd, american dollar
euro = eur
british pound = gbp, pound sterling
japanese yen = jpy
swiss franc = chf
canadian dollar = cad
australian dollar = aud
indian rupee = inr
january = jan
february = feb
august = aug
september = sept
october = oct
november = nov
december = dec
people = person, persons
paracetamol = acetaminophen
epinephrine = adrenaline
influenza = flu
high blood pressure = hypertension
heart attack = myocardial infarction
side effect = adverse effect, adverse reaction
fastest = quickest
fast = quick, rapid
biggest = largest
big = large
newest = most recent
cheapest = least expensive, lowest priced
most expensive = priciest, dearest
enable = turn on, switch on
disable = turn off, switch off
buy = purchase
need = require
use = utilize, make use of
allow = permit
start = begin, commence
perform = carry out
delete = remove
modify = change, alter
show = display
hide = conceal
choose = select
get = fetch, retrieve, obtain
allowed = permitted
legal = lawful
illegal = unlawful, against law
free = free charge, at no cost, at no extra cost
mandatory = compulsory, obligatory
sick = ill
child = children, kid
photo = picture, photograph
film = movie
car = automobile
doctor = physician
lawyer = attorney
holiday = vacation
flat = apartment
lift = elevator
petrol = gasoline
luggage = baggage
rubbish = trash, garbage
postcode = zip code, postal code
colleague = coworker, co worker
less than = under, below, fewer than, smaller than
more than = over, above, greater than, larger than
before = prior to
because = due to, owing to, because of
about = regarding, concerning
instead = in place, rather than
rise = go up, increase
decrease = go down, fall
waiting = wait
canceled = cancelled
fix = repair
every = each
keep = retain
tenant = renter
"""


@cache
def _names() -> tuple[dict[str, str], int]:
    """Return other names of things, with the one that stands for all; and the longest, in words."""
    table: dict[str, str] = {}
    for line in _SAME.strip().splitlines():
        name, _, others = line.partition(" = ")
        table |= {_stems(other): _stems(name) for other in others.split(",")}
    return table, max(len(other.split()) for other in table)


def _stems(words: str) -> str:
    return " ".join(stem(word) for word in words.split())


def plain_names(words: Iterable[str]) -> list[str]:
    """Return the words with one name for each thing; the words are stems."""
    table, longest = _names()
    said, rest = [], list(words)
    while rest:
        for length in range(min(longest, len(rest)), 0, -1):
            if name := table.get(" ".join(rest[:length])):
                said.append(name)
                break
        else:
            said.append(rest[0])
            length = 1
        rest = rest[length:]
    return said
