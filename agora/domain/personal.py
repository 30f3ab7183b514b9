"""Personal data in text: what points at a person, replaced by what kind of thing stood there.

Only what has a form is found: addresses, numbers, accounts. Names have none, and stay.
"""

import re

_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\w.-])(?:\d[ -]?){12,18}\d(?![\w-])")
_SOCIAL = re.compile(r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])")
_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w.])")
_ADDRESS_6 = re.compile(r"(?<![\w:])(?:[0-9a-f]{1,4}:){3,7}(?::?[0-9a-f]{1,4})+(?![\w:])", re.I)
_PHONE = re.compile(
    r"(?<![\w.+-])(?:\+|00)[1-9]\d{0,2}(?:[ ./()-]{0,2}\d){6,12}(?!\w)"
    r"|(?<![\w.+-])\(?0\d{2,4}\)?[ /-]{1,2}\d(?:[ /-]?\d){4,9}(?![\w-])"
    r"|(?<![\w.+-])\(?[2-9]\d{2}\)?[ .-]\d{3}[ .-]\d{4}(?![\w-])"
)
_HANDLE = re.compile(r"(?<=linkedin\.com/in/)[\w-]+|(?<=facebook\.com/)[\w.]+")


def depersonalised(text: str) -> str:
    """Return a text in which each such thing is a mark, such as [email]; twice is as once."""
    text = _EMAIL.sub("[email]", text)
    text = _IBAN.sub(lambda found: "[account]" if _is_iban(found[0]) else found[0], text)
    text = _CARD.sub(lambda found: "[card]" if _is_card(found[0]) else found[0], text)
    text = _SOCIAL.sub("[number]", text)
    text = _PHONE.sub("[phone]", text)
    text = _ADDRESS.sub(lambda found: "[address]" if _is_address(found[0]) else found[0], text)
    text = _ADDRESS_6.sub("[address]", text)
    return _HANDLE.sub("[person]", text)


def _is_iban(text: str) -> bool:
    """Return whether the check digits are right (ISO 13616), so that codes of other kinds stay."""
    plain = text.replace(" ", "")
    turned = plain[4:] + plain[:4]
    return 15 <= len(plain) <= 34 and int("".join(str(int(one, 36)) for one in turned)) % 97 == 1


def _is_card(text: str) -> bool:
    """Return whether the digits pass Luhn's check, as those of payment cards do."""
    digits = [int(one) for one in text if one.isdigit()]
    doubled = [one if n % 2 else sum(divmod(2 * one, 10)) for n, one in enumerate(digits[::-1], 1)]
    return 13 <= len(digits) <= 19 and sum(doubled) % 10 == 0


def _is_address(text: str) -> bool:
    """Return whether it is an address of a host somewhere; versions and this machine are none."""
    parts = [int(one) for one in text.split(".")]
    return all(one <= 255 for one in parts) and parts[0] not in (0, 127)
