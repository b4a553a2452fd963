"""What a place where models answer takes beyond the basic fields of the Messages API.

Decided here and nowhere else. The portable profile is `model`, `max_tokens`, `system`,
`messages`, `tools` and `stream`: what every server that speaks the API understands.
"""

from __future__ import annotations

from typing import Final

import msgspec

from team.policy import Provider


class Abilities(msgspec.Struct, frozen=True, kw_only=True):
    """What may be asked for; nothing unless it is said.

    Attributes:
        cache: Prompts that are kept (`cache_control`).
        effort: How hard to think (`output_config.effort`).
        thinking: Thinking that is shown, and sent back with its signature.
        images: Images and documents as content.
        count: The endpoint that counts tokens.
        search: Searching the web by itself.
    """

    cache: bool = False
    effort: bool = False
    thinking: bool = False
    images: bool = False
    count: bool = False
    search: bool = False


PORTABLE: Final = Abilities()
FIRST_PARTY: Final = Abilities(
    cache=True, effort=True, thinking=True, images=True, count=True, search=True
)


def abilities_of(provider: Provider | None, *, is_first_party: bool) -> Abilities:
    """What may be asked of a place.

    Args:
        provider: As the policy describes it; absent: the default.
        is_first_party: Whether the address that the SDK finds is Anthropic's own.
    """
    if provider is None:
        return FIRST_PARTY if is_first_party else PORTABLE
    if provider.kind == "anthropic" and not provider.base_url and is_first_party:
        return FIRST_PARTY
    return Abilities(**dict.fromkeys(provider.can, True))
