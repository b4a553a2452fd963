"""Files that people write: team specs, roles, policy."""

from __future__ import annotations

from typing import Final

from team.codes.entry import Rule

BROKEN_TOML: Final = "L101"
UNREADABLE: Final = "L102"
UNKNOWN_FIELD: Final = "L103"
WRONG_TYPE: Final = "L104"
OUT_OF_RANGE: Final = "L105"
MISSING_FIELD: Final = "L106"
BAD_NAME: Final = "L107"
NO_CHOICE: Final = "L108"
GIVEN_TWICE: Final = "L109"
BROKEN_ROLE: Final = "L110"
WRONG_VALUE: Final = "L111"
NO_EFFECT: Final = "L112"
BROKEN_JSON: Final = "L131"
BAD_SERVER: Final = "L132"
RULE_FAILED: Final = "L190"
CONTRADICTION: Final = "L201"
UPHELD: Final = "L202"
CORE_CHECK: Final = "L203"
UNKNOWN_CHECK: Final = "L204"
UNKNOWN_ROLE: Final = "L205"
VERIFIER_SEAT: Final = "L206"
VERIFIER_TOOLS: Final = "L207"
UNKNOWN_TOOL: Final = "L208"
SEAT_TOOLS: Final = "L209"
TOOL_REFUSED: Final = "L210"
MODEL_REFUSED: Final = "L211"
NO_PRICE: Final = "L212"
UNUSED_ROLE: Final = "L213"
NO_SUCH_SOURCE: Final = "L214"
LOOSER: Final = "L215"
AREA_OF_NOBODY: Final = "L216"
NO_RECORDS: Final = "L217"
OUTSIDE: Final = "L218"
UNKNOWN_PROVIDER: Final = "L225"
NO_KEY: Final = "L226"
UNKNOWN_SERVER: Final = "L231"
SERVER_REFUSED: Final = "L232"
NO_VARIABLE: Final = "L233"
NO_INSTRUCTIONS: Final = "L241"
BROKEN_SKILL: Final = "L242"

ALONE: Final = (
    Rule(
        code=BROKEN_TOML,
        name="broken-toml",
        says="A team spec and a policy are TOML.",
        why="What can't be read holds nobody back.",
        fix="Mend the line; nothing else in the file was looked at.",
    ),
    Rule(
        code=UNREADABLE,
        name="unreadable-file",
        says="A file that is named or found is a plain file of text that can be read.",
        why="A limit in a file that is left out is no limit.",
        fix="Check the path, its permissions and its encoding (UTF-8).",
    ),
    Rule(
        code=UNKNOWN_FIELD,
        name="unknown-field",
        says="Every field of a team spec and of a policy is one that is known there.",
        why="A limit with a typo in its name would be the default, and nobody would know.",
        fix="Take the name that the message proposes, or delete the line.",
    ),
    Rule(
        code=WRONG_TYPE,
        name="wrong-type",
        says="A value has the type of its field.",
        why="A value that is guessed at is not what was meant.",
        fix="Write the value as the message says: a number without quotes, a list in brackets.",
    ),
    Rule(
        code=OUT_OF_RANGE,
        name="out-of-range",
        says="A number lies in the range of its field.",
        why="Beyond it the limit would not limit, or nothing could be done at all.",
        fix="Give a number of the range that the message names.",
    ),
    Rule(
        code=MISSING_FIELD,
        name="missing-field",
        says="A field that has no default is given.",
        why="There is nothing that it could be taken for.",
        fix="Add it.",
    ),
    Rule(
        code=BAD_NAME,
        name="bad-name",
        says="The name of an area has 1 to 64 letters, digits, `_` or `-`.",
        why="It becomes part of a subject on the bus; a name with a dot would be another subject.",
        fix="Write it with these characters.",
    ),
    Rule(
        code=NO_CHOICE,
        name="not-a-choice",
        says="Where a field has a few values to choose from, its value is one of them.",
        why="Anything else means nothing here.",
        fix="Take one of those that the message names.",
    ),
    Rule(
        code=GIVEN_TWICE,
        name="given-twice",
        says="A field of a role file is given once.",
        why="One of the two would be dropped in silence.",
        fix="Keep one of them.",
    ),
    Rule(
        code=BROKEN_ROLE,
        name="broken-role",
        says="A role file has front matter between two lines `---`, and instructions after it.",
        why="A member without instructions does what it likes.",
        fix="Write the front matter first, then what the role is to do.",
    ),
    Rule(
        code=WRONG_VALUE,
        name="wrong-value",
        says="The value of a role file's field is one that the field can have.",
        why="A role that is guessed at is another role.",
        fix="Do as the message says.",
    ),
    Rule(
        code=NO_EFFECT,
        name="without-effect",
        says="A field of a role file is one that is known, here or in Claude Code.",
        why="A field with a typo does nothing, and reads as if it did.",
        fix="Take the name that the message proposes, or delete the line.",
        severity="warning",
    ),
    Rule(
        code=BROKEN_JSON,
        name="broken-json",
        says="`.mcp.json` is JSON.",
        why="None of its servers can be started.",
        fix="Mend the line; nothing else in the file was looked at.",
    ),
    Rule(
        code=BAD_SERVER,
        name="bad-server",
        says="An MCP server is defined by a command, or by an address over streamable HTTP.",
        why="It can't be started, and whoever relies on its tools has none.",
        fix="Give `command`, or `type` `http` and `url`; `sse` and `ws` are not served.",
    ),
)
"""What a file gets wrong by itself."""

TOGETHER: Final = (
    Rule(
        code=CONTRADICTION,
        name="limits-contradict",
        says="A limit on a part is not above the limit on the whole.",
        why="One of the two is never reached; whoever reads it relies on the wrong one.",
        fix="Lower the one or raise the other.",
    ),
    Rule(
        code=UPHELD,
        name="upheld-above-verifiers",
        says="`upheld_min` is at most the number of verifiers.",
        why="More votes than there are voters can't be had; the gate would ask for all of them.",
        fix="Lower `upheld_min` or raise `verifiers`.",
    ),
    Rule(
        code=CORE_CHECK,
        name="core-check-left-out",
        says="`gate.checks` holds every core check.",
        why="Without one of them a finding can be admitted whose evidence nobody has compared.",
        fix="Add the check, or delete `checks` to have them all.",
    ),
    Rule(
        code=UNKNOWN_CHECK,
        name="unknown-check",
        says="A check that is named comes with the package, or with one that is installed.",
        why="A check that can't be run is a no, so no finding would pass.",
        fix="Mend the name, or install the package that has it.",
    ),
    Rule(
        code=UNKNOWN_ROLE,
        name="unknown-role",
        says="A role that is named has a role file.",
        why="A seat without a role stays empty, and a rule for a role with a typo limits nobody.",
        fix="Mend the name, or write the role file.",
    ),
    Rule(
        code=VERIFIER_SEAT,
        name="verifier-not-apart",
        says="The verifier's role is neither the worker's nor the lead's.",
        why="Whoever made or planned a finding does not see what is wrong with it.",
        fix="Give the seat a role of its own, such as `skeptic`.",
    ),
    Rule(
        code=VERIFIER_TOOLS,
        name="verifier-takes-part",
        says="A verifier's role asks for no tool that writes to peers or decides.",
        why="Whoever talks with a finding's author is talked into it.",
        fix="Delete the tool from the role file, or fill the seat from another role.",
    ),
    Rule(
        code=UNKNOWN_TOOL,
        name="unknown-tool",
        says="A tool that is named is one that there is.",
        why="A tool with a typo is not given, and one that is refused with a typo is not refused.",
        fix="Take the name that the message proposes.",
    ),
    Rule(
        code=SEAT_TOOLS,
        name="seat-lacks-tool",
        says="Workers and verifiers have a tool that reads sources.",
        why="Without one nothing can be quoted and nothing compared, so nothing is admitted.",
        fix="Add `read_source` to the role file and to `[roles.NAME] tools`.",
    ),
    Rule(
        code=TOOL_REFUSED,
        name="tool-refused",
        says="A role asks for no tool that the policy refuses it.",
        why="It is not given, and the instructions may rely on it.",
        fix="Delete it from the role file, or add it to `[roles.NAME] tools`.",
        severity="warning",
    ),
    Rule(
        code=MODEL_REFUSED,
        name="model-refused",
        says="A team names only models that the policy allows for their roles.",
        why="The run is refused before it begins (P204).",
        fix="Name another model, or allow this one in `[models] allow` and `[roles.NAME] models`.",
    ),
    Rule(
        code=NO_PRICE,
        name="model-without-price",
        says="Where a limit is in dollars, every model of the team has a known price.",
        why="What a call costs is not known, so the limit can't hold; the run is refused.",
        fix="Name a model with a price, or limit tokens instead.",
    ),
    Rule(
        code=UNUSED_ROLE,
        name="unused-role",
        says="A role that the policy rules on is used by a team.",
        why="A rule that nothing meets may be meant for another role.",
        fix="Mend the name, or delete the table.",
        severity="warning",
    ),
    Rule(
        code=NO_SUCH_SOURCE,
        name="pattern-matches-nothing",
        says="A pattern of sources matches a file of the project.",
        why="A role may read nothing, or what was to be forbidden is not.",
        fix="Mend the pattern; it may stand if the sources come from outside the project.",
        severity="warning",
    ),
    Rule(
        code=LOOSER,
        name="looser-than-policy",
        says="A team spec asks for no more than the policy allows.",
        why="The stricter of the two holds, so the spec says what is not so.",
        fix="Write what will hold, or delete the line.",
        severity="warning",
    ),
    Rule(
        code=AREA_OF_NOBODY,
        name="area-of-nobody",
        says="An area in which a person must approve is one in which some role may decide.",
        why="Nobody will ever ask for the approval.",
        fix="Mend the area, or add it to `[roles.NAME] areas`.",
        severity="warning",
    ),
    Rule(
        code=NO_RECORDS,
        name="no-such-records",
        says="Every path of `decisions.standing` is there.",
        why="The run is refused before it begins.",
        fix="Mend the path; it is looked for from the folder in which the team is run.",
    ),
    Rule(
        code=OUTSIDE,
        name="outside-the-project",
        says="`writes` names paths inside the project.",
        why="A path outside of it, or one with `..`, is nobody's to give away.",
        fix="Write it from the project's root, without `..`.",
    ),
    Rule(
        code=UNKNOWN_PROVIDER,
        name="unknown-provider",
        says="What stands before the `/` of a model's name is a provider of the policy.",
        why="The whole name would be asked of the default provider, which may not know it.",
        fix="Mend the name, or describe the provider in `[providers.NAME]`.",
        severity="warning",
    ),
    Rule(
        code=NO_KEY,
        name="provider-not-usable",
        says="A provider that a team's models name has its key and its package on this machine.",
        why="A run here is refused before it begins; elsewhere it may be allowed.",
        fix="Set the variable, or install the package, that the message names.",
        severity="warning",
    ),
    Rule(
        code=UNKNOWN_SERVER,
        name="unknown-server",
        says="An MCP server that is named is defined, under a name that no other is like.",
        why="It can't be started; the run is refused before it begins.",
        fix="Mend the name, or define the server in `.mcp.json` or in the role's file.",
    ),
    Rule(
        code=SERVER_REFUSED,
        name="server-refused",
        says="A team names only MCP servers that the policy allows.",
        why="The server is not started, and the instructions may rely on its tools.",
        fix="Name it in `[mcp] servers` of the policy, or delete it from the team spec.",
        severity="warning",
    ),
    Rule(
        code=NO_VARIABLE,
        name="missing-variable",
        says="A variable that the definition of an MCP server names is set, or has a default.",
        why="Without it the run is refused before it begins; in CI it may be left unset.",
        fix="Set it where the team is run, or write `${NAME:-a default}`.",
        severity="warning",
    ),
    Rule(
        code=NO_INSTRUCTIONS,
        name="no-such-instructions",
        says="Every file of `instructions` is there, inside the project, and not too long.",
        why="The run is refused before it begins; and what is long is read at every call.",
        fix="Mend the path, or shorten the file and what it imports.",
    ),
    Rule(
        code=BROKEN_SKILL,
        name="broken-skill",
        says="Every skill of `skills` is a folder with a sound `SKILL.md`.",
        why="The run is refused before it begins.",
        fix="Mend the line of `SKILL.md` that is named, or the name in the policy.",
    ),
)
"""What does not fit together."""

FAILED: Final = (
    Rule(
        code=RULE_FAILED,
        name="rule-failed",
        says="Every rule of `team check` comes to an end, whatever is in the file.",
        why="What was not looked at must not pass for sound.",
        fix="Look at what the message names in the file; report it, if that is sound.",
    ),
)
"""What is said when a rule could not be asked."""

FILES: Final = (*ALONE, *FAILED, *TOGETHER)
"""All of them."""
