"""Run a team of processes and follow its stream live, as any program can.

Shows `team run` as a command and `team watch --json` beside it: one JSON line a
message, while the run goes on. The lines come to stderr as they happen; members
race, so what is the same each time is printed at the end. No key is needed: the
rehearsal model answers.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

GOAL = "How do alpha and beta cancel work?"
SOURCES = {
    "alpha": "A task is asked to cancel at its next point of waiting, and may refuse to cancel.\n",
    "beta": "A call that runs already can not be cancelled, the method only returns false then.\n",
}
TEAM = [sys.executable, "-m", "team.cli.main"]


def follow(folder: Path, environment: dict[str, str]) -> list[dict[str, str]]:
    """Start a run, follow it to its end, and return its messages."""
    for name, text in SOURCES.items():
        (folder / name).mkdir()
        (folder / name / "guide.md").write_text(text)
    sources = [part for name in SOURCES for part in ("--source", name)]
    # Two pages need no team, and code would rule so; the user's word stands above it.
    options = ["--mode", "team", "--run", "example", "--json"]
    run = [*TEAM, "run", "research", GOAL, *sources, *options]
    with subprocess.Popen(
        run, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as team:
        assert team.stderr is not None
        team.stderr.readline()  # "run example: …": from here on it can be followed
        watch = [*TEAM, "watch", "example", "--json"]
        with subprocess.Popen(watch, env=environment, stdout=subprocess.PIPE) as watching:
            assert watching.stdout is not None
            seen = [shown(line) for line in watching.stdout]
        result = json.loads(team.communicate()[0])
    print(f"exit status {team.returncode}, {result['status']}, {result['mode']}")
    print(f"{len(result['result']['citations'])} citations")
    return seen


def shown(line: bytes) -> dict[str, str]:
    """Print a message on stderr as it comes, and return it."""
    message: dict[str, str] = json.loads(line)
    print(f"{message['seq']:4} {message['type']:18} {message['subject']}", file=sys.stderr)
    return message


def main() -> None:
    """Run in a home of its own, and leave nothing behind."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANTHROPIC", "NATS_URL"))}
        environment = kept | {"PEERTEAM_HOME": str(folder / "home")}
        try:
            seen = follow(folder, environment)
        finally:
            subprocess.run([*TEAM, "down"], env=environment, check=True, capture_output=True)
    for task in ("t1", "t2"):
        steps = [m["type"] for m in seen if m["subject"].startswith(f"run.example.task.{task}.")]
        print(f"{task}: {' '.join(steps)}")
    print(f"then: {[m['type'] for m in seen if m['kind'] == 'result']}")


if __name__ == "__main__":
    main()
