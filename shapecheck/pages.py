"""The explanation page of a code and the list of rules, made from the rule files and `check_pages.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from shapecheck import check_pages
from shapecheck.errors import UserError, nearest
from shapecheck.messages import blanked
from shapecheck.rules import HEADINGS, Rule, all_rules

OWN_LOSS = tuple(f"SC95{digit}" for digit in range(10))
WITHOUT_RULE = ("SC100", "SC909", *OWN_LOSS)  # findings all the same, which can be silenced

_CODE = re.compile(r"SC\d+\Z", re.IGNORECASE)


def page(code: str, folders: tuple[Path, ...] = ()) -> str:
    """The page of a code, of a name or of torch's error text, as Markdown; `folders` as of `load_loss`.

    A text that several findings may come with gives the list of them. Raises UserError with the nearest.
    """
    of_checks = check_pages.code_of(code)
    if of_checks is not None:
        return check_pages.markdown(of_checks)
    rules = all_rules(folders)
    saying = _saying(code, rules)
    if len(saying) > 1:
        return _several(saying)
    named = {rule.name: (rule, ls) for rule, ls in rules.values()}
    rule, losses = rules.get(code.upper()) or (saying[0] if saying else _by_name(code, named))
    sections = [f"# {rule.code} {rule.name} ({rule.severity})", _summary(losses)]
    for key, heading in HEADINGS.items():
        text = rule.explain[key].strip()
        body = f"```python\n{text}\n```" if key in ("example", "instead") else text
        if key == "bad" and rule.says:
            body += "\n\nTorch says:\n\n" + "\n".join(f"- {words}" for words in rule.says)
        sections.append(f"## {heading}\n\n{body}")
    return "\n\n".join(sections) + "\n"


Ruled = tuple[Rule, tuple[str, ...]]


def _saying(text: str, rules: Mapping[str, Ruled]) -> list[Ruled]:
    """The rules that explain an error of torch's, numbers and shapes apart."""
    if " " not in text.strip():
        return []
    wanted = blanked(text)
    return [found for found in rules.values() if any(blanked(words) in wanted for words in found[0].says)]


def _several(saying: Sequence[Ruled]) -> str:
    lines = [f"- {rule.code} {rule.name}: {', '.join(losses)}" for rule, losses in saying]
    return "# Several findings come with this text\n\n" + "\n".join(lines) + "\n"


def _by_name(name: str, rules: dict[str, tuple[Rule, tuple[str, ...]]]) -> tuple[Rule, tuple[str, ...]]:
    if name.lower() in rules:
        return rules[name.lower()]
    raise UserError(f"no rule {name!r}", _nearest_rule(name, [*(rule.code for rule, _ in rules.values()), *rules]))


def _nearest_rule(code: str, known: Sequence[str]) -> str:
    """Codes that differ in a digit are no misspellings of each other."""
    guess = None if _CODE.match(code) else nearest(code, known)
    return f"did you mean {guess!r}? see also: shapecheck rules" if guess else "see shapecheck rules"


def _summary(losses: tuple[str, ...]) -> str:
    return f"Belongs to: {', '.join(losses)}."


def listing(as_json: bool = False, folders: tuple[Path, ...] = ()) -> str:
    """Every rule: code, name, severity, losses."""
    rows = [(rule.code, rule.name, rule.severity, losses) for rule, losses in all_rules(folders).values()]
    if as_json:
        import json

        keys = ("code", "name", "severity", "losses")
        return json.dumps([dict(zip(keys, row)) for row in rows], indent=2) + "\n"
    width = max(len(name) for _, name, _, _ in rows)
    return "".join(
        f"{code}  {name:<{width}}  {severity:<7}  {', '.join(losses)}\n" for code, name, severity, losses in rows
    )


def check_codes(option: str, codes: Sequence[str], folders: tuple[Path, ...] = ()) -> tuple[str, ...]:
    """The codes, prefixes and names of --select or --ignore. Raises UserError for what no rule has."""
    if not codes:
        return ()
    rules = all_rules(folders)
    names = sorted([*(rule.name for rule, _ in rules.values()), *(check_pages.PAGES[c].name for c in WITHOUT_RULE)])
    for code in codes:
        known = code == "ALL" or code in names or any(c.startswith(code.upper()) for c in (*rules, *WITHOUT_RULE))
        if not known:
            raise UserError(f"{option} {code!r} fits no rule", _nearest_rule(code, [*rules, *names]))
    return tuple(codes)
