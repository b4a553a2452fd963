"""What a decision file says was chosen, and what else was considered.

Not for why: that is `team.adr.reasons`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import Final

from team.adr.content import PLACEHOLDER, Kind, parts
from team.adr.document import Document, block_text, blocks, is_item, items
from team.adr.inline import one_line
from team.adr.words import best_match, cut, first_sentence

STATEMENT_CHARS_MAX: Final = 280
ALTERNATIVES_MAX: Final = 10
_OPTIONS_LOOKED_AT = 30

CHOSEN = re.compile(
    r"\W*(?:the )?(?:chosen|selected|preferred) (?:option|solution|alternative)s?"
    r"(?: is| are)?\s*:?\s*(.*)",
    re.IGNORECASE,
)
_QUOTES = "\"“‘'«"
_CLOSING = re.compile(
    r"(?<=.)[\"”’'»](?=\s*(?:[,.;:()–—-]|because\b|since\b|$))", re.IGNORECASE | re.DOTALL
)
_UP_TO = re.compile(r"(.*?)(?:,?\s+(?:because|since)\b|[;.]\s|[,;.:]?$)", re.IGNORECASE)
_OPTION = r"(?:option|solution|proposal|alternative)"
_NUMBER = re.compile(rf"{_OPTION}?\s*#?\s*(\d{{1,2}})(?=$|,)", re.IGNORECASE)
_LABEL = re.compile(rf"\[?(?:{_OPTION}\s+#?\w{{1,3}}|\d{{1,2}})\]?\s*[:.)\]–—-]+\s+", re.IGNORECASE)
_NO_NAME = re.compile(rf"(?:tbd|todo|n/?a|none|see .*|.*\b{_OPTION}s? #?\d.*)\W*", re.IGNORECASE)
_TAKEN = re.compile(r"\((?:chosen|selected|accepted|preferred)\b[^)]*\)", re.IGNORECASE)


def choice(document: Document) -> str | None:
    """Return the chosen option, or else the first sentence of what was decided."""
    found = _outcome_texts(document)
    if not found or (chosen := CHOSEN.match(found[0])) is None:
        return _sentence(document)
    rest = chosen[1] or (found[1] if len(found) > 1 else "")
    name = _option_name(rest)
    if number := _NUMBER.match(name):
        return _numbered(options(document), int(number[1]))
    return None if _NO_NAME.fullmatch(name) or PLACEHOLDER.fullmatch(name) else name or None


def _option_name(text: str) -> str:
    """Return the name at the start of a text, quoted or up to its reason, without a label."""
    rest = _unlabelled(text)
    if quoted := _quoted(rest):
        return _unlabelled(quoted).strip(" ,.;:")
    name = (_UP_TO.match(rest) or [rest, rest])[1].strip(" ,.;:")
    return name.replace('"', "") if name.count('"') == 1 else name


def _quoted(text: str) -> str:
    """Return what is quoted at the start of a text, with the quotes inside it; "" if nothing is."""
    if text[:1] not in set(_QUOTES):
        return ""
    ends = (closing.start() for closing in _CLOSING.finditer(text, 1))
    return next((text[1:at] for at in ends if at > 1 and text.count('"', 1, at) % 2 == 0), "")


def _outcome_texts(document: Document) -> list[str]:
    """Return the first two blocks under the heading that tells the outcome."""
    head = next((part.section for part in parts(document) if part.kind == "outcome"), None)
    return [block_text(block) for block in islice(blocks(head.lines), 2)] if head else []


def _sentence(document: Document) -> str | None:
    head = next((part.section for part in parts(document) if part.kind == "outcome"), None)
    first = next(iter(blocks(head.lines)), None) if head else None
    if first is None or is_item(first) or first[0].text.lstrip()[:1] in {"|", ">", "!", "<"}:
        return None
    sentence = _unlabelled(first_sentence(block_text(first)))
    return None if sentence.endswith(":") or _NO_NAME.fullmatch(sentence) else sentence


def _numbered(found: Sequence[str], number: int) -> str | None:
    label = re.compile(rf"\[?{_OPTION}?\s*#?\s*{number}\b", re.IGNORECASE)
    named = next((text for text in found if label.match(text)), None)
    taken = named or (found[number - 1] if 0 < number <= len(found) else None)
    return _unlabelled(taken) if taken else None


# --- what else was considered --------------------------------------------------------------


def options(document: Document) -> tuple[str, ...]:
    """Return all options that were considered, the chosen one too if it is listed."""
    kinds: tuple[Kind, ...] = ("options", "pros")
    return next(filter(None, (_listed(document, kind) for kind in kinds)), ())


def alternatives(document: Document, title: str, chosen: str | None) -> tuple[str, ...]:
    """Return the options that were not chosen."""
    found = list(options(document))
    wanted = [text for text in (chosen, title) if text]
    exact = next((text for text in found if text in wanted or _TAKEN.search(text)), None)
    names = [_unlabelled(text) for text in found]
    near = (best_match(text, names, is_sure=text == title) for text in wanted)
    if exact is not None:
        found.remove(exact)
    elif (at := next((at for at in near if at is not None), None)) is not None:
        del found[at]
    found = list(dict.fromkeys((*found, *_listed(document, "others"))))
    return tuple(cut(text, STATEMENT_CHARS_MAX) for text in found[:ALTERNATIVES_MAX])


def _unlabelled(option: str) -> str:
    """Return an option without a label such as `Option 2:`."""
    return _LABEL.sub("", option, count=1) if _LABEL.match(option) else option


def _listed(document: Document, kind: Kind) -> tuple[str, ...]:
    """Return the items of the first list under a heading, or else its sub-headings."""
    under = [part for part in parts(document) if part.kind == kind]
    for part in under:
        found = islice(items(part.section.lines), _OPTIONS_LOOKED_AT) if kind != "pros" else ()
        if part.is_head and (texts := tuple(filter(None, map(block_text, found)))):
            return texts
    levels = {part.section.level for part in under if not part.is_head}
    heads = [
        one_line(p.section.heading) for p in under if p.section.level == min(levels, default=0)
    ]
    return tuple(filter(None, heads[:_OPTIONS_LOOKED_AT]))
