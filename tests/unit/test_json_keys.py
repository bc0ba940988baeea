"""Keys inside of JSON that are masked."""

import json

from dbctl.inspect.masking import MASK, Masks
from dbctl.inspect.sensitive import keys


def test_key_rule_of_ever_new_keys_remembers_a_bounded_number() -> None:
    rule = keys.KeyRule(Masks(), ("data",))
    for number in range(keys._MOST_KNOWN + 100):
        text = json.dumps({f"key{number}": "a", "password": "b"}).encode()
        assert json.loads(rule.json(text)) == {f"key{number}": "a", "password": MASK}
    assert len(rule._known) <= keys._MOST_KNOWN
