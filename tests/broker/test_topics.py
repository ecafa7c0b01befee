"""Patterns and the trie, held against the naive reading of the rules."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simlib.broker import topic_matches
from simlib.broker.topics import TopicTrie

TOPICS = json.loads(
    (Path(__file__).parents[1] / "reference" / "topics.json").read_text(encoding="utf-8")
)["cases"]

WORDS = st.sampled_from(["a", "b", "", "*", "#", "a#", "##", "é"])
KEYS = st.lists(WORDS, max_size=6).map(".".join)


def _by_regex(pattern: str, key: str) -> bool:
    """Every word with a dot behind it, so that the empty key has none, and "#" may stand alone."""
    parts = {"*": r"[^.]*\.", "#": r"(?:[^.]*\.)*"}
    words = pattern.split(".") if pattern else []
    regex = "".join(parts.get(word, re.escape(word) + r"\.") for word in words)
    return re.fullmatch(regex, key + "." if key else "") is not None


@pytest.mark.parametrize("case", TOPICS, ids=lambda case: case["id"])
def test_reference_cases(case: dict[str, str]) -> None:
    assert topic_matches(case["pattern"], case["key"]) == case["match"]


@given(pattern=KEYS, key=KEYS)
def test_matching_is_what_a_regular_expression_says(pattern: str, key: str) -> None:
    assert topic_matches(pattern, key) == _by_regex(pattern, key)


@given(patterns=st.lists(KEYS, max_size=12), key=KEYS, data=st.data())
def test_the_trie_matches_what_each_of_its_patterns_matches(
    patterns: list[str], key: str, data: st.DataObject
) -> None:
    trie: TopicTrie[str] = TopicTrie()
    numbers = count()
    added = [(pattern, f"{pattern} to {next(numbers) % 5}") for pattern in patterns]
    for pattern, destination in added:
        trie.add(pattern, destination)
    removed = data.draw(st.lists(st.sampled_from(added), max_size=6)) if added else []
    left = Counter(added)
    for pattern, destination in removed:
        if left[pattern, destination]:
            trie.remove(pattern, destination)
            left[pattern, destination] -= 1
    assert trie.matching(key) == {
        destination for pattern, destination in +left if topic_matches(pattern, key)
    }
    for (pattern, destination), times in left.items():
        for _ in range(times):
            trie.remove(pattern, destination)
    assert trie._root.bare


def test_what_was_never_added_cannot_be_removed() -> None:
    trie: TopicTrie[str] = TopicTrie()
    trie.add("a.b", "q")
    for pattern, destination in (("a", "q"), ("a.c", "q"), ("a.b", "r"), ("a.b.#", "q")):
        with pytest.raises(KeyError):
            trie.remove(pattern, destination)
    assert trie.matching("a.b") == {"q"}


def test_many_wildcards_cost_no_search_through_all_splits() -> None:
    # A search that tries every number of words for every "#" would take 10^17 steps here.
    pattern, key = ".".join(["#", "a"] * 20), ".".join(["a"] * 60) + ".b"
    trie: TopicTrie[str] = TopicTrie()
    trie.add(pattern, "q")
    begun = time.process_time()
    assert not topic_matches(pattern, key)
    assert not trie.matching(key)
    assert trie.matching(key[:-2]) == {"q"}
    print(f"{time.process_time() - begun:.3g} s")
