"""Topics: routing keys of words, and patterns that match them.

A key's words stand between dots; the empty key has none. In a pattern ``*`` stands for exactly one
word, which may be empty, and ``#`` for any number of words. Both count only as whole words, and
only in patterns: ``a#`` and a ``*`` in a routing key mean themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import Generic, TypeVar

__all__ = ["TopicTrie", "split_words", "topic_matches"]

Destination = TypeVar("Destination", bound=Hashable)


def topic_matches(pattern: str, key: str) -> bool:
    """Whether a routing key matches a topic pattern.

    Parameters
    ----------
    pattern : str
        The key of a binding, with ``*`` and ``#`` as wildcards.
    key : str
        The routing key of a message.

    Examples
    --------
    >>> topic_matches("order.*", "order.created"), topic_matches("order.*", "order.created.eu")
    (True, False)
    >>> topic_matches("order.#", "order")
    True
    """
    words = split_words(key)
    # reachable[i]: the pattern's words so far match the key's first i words.
    reachable = [True, *(False for _ in words)]
    for part in split_words(pattern):
        if part == "#":
            first = reachable.index(True) if True in reachable else len(reachable)
            reachable = [position >= first for position in range(len(reachable))]
        else:
            steps = (
                before and part in ("*", word)
                for before, word in zip(reachable[:-1], words, strict=True)
            )
            reachable = [False, *steps]
    return reachable[-1]


def split_words(key: str) -> list[str]:
    """The words of a routing key or a pattern."""
    return key.split(".") if key else []


class _Node(Generic[Destination]):
    """What follows after the first words of some patterns."""

    __slots__ = ("any_number", "any_word", "ends", "is_any_number", "words")

    def __init__(self, is_any_number: bool = False) -> None:
        self.words: dict[str, _Node[Destination]] = {}
        self.any_word: _Node[Destination] | None = None
        self.any_number: _Node[Destination] | None = None
        self.is_any_number = is_any_number
        # How many bindings with this very pattern each destination has.
        self.ends: dict[Destination, int] = {}

    @property
    def bare(self) -> bool:
        return not (self.words or self.any_word or self.any_number or self.ends)


class TopicTrie(Generic[Destination]):
    """Patterns by their words, so that a key is held against all of them at once.

    The cost of a look-up grows with the words of the key and with the patterns that match its
    beginning, not with the number of patterns.
    """

    def __init__(self) -> None:
        self._root: _Node[Destination] = _Node()

    def add(self, pattern: str, destination: Destination) -> None:
        """Send what matches the pattern to the destination; a pattern may be added repeatedly."""
        node = self._root
        for word in split_words(pattern):
            if word == "*":
                node.any_word = node = node.any_word or _Node()
            elif word == "#":
                node.any_number = node = node.any_number or _Node(is_any_number=True)
            else:
                node = node.words.setdefault(word, _Node())
        node.ends[destination] = node.ends.get(destination, 0) + 1

    def remove(self, pattern: str, destination: Destination) -> None:
        """Undo one ``add``."""
        path = [self._root]
        for word in split_words(pattern):
            following = _child(path[-1], word)
            if following is None:
                raise KeyError(pattern)
            path.append(following)
        ends = path[-1].ends
        ends[destination] -= 1
        if not ends[destination]:
            del ends[destination]
        for word in reversed(split_words(pattern)):
            if not path.pop().bare:
                return
            if word == "*":
                path[-1].any_word = None
            elif word == "#":
                path[-1].any_number = None
            else:
                del path[-1].words[word]

    def matching(self, key: str) -> Collection[Destination]:
        """Where a routing key leads to, each destination once; good until the trie changes."""
        nodes = [self._root]
        if self._root.any_number is not None:
            _enter(self._root, nodes)
        for word in key.split(".") if key else ():
            following: list[_Node[Destination]] = []
            for node in nodes:
                # Only a "#" can be reached twice: by staying in it, and from the node before it.
                if node.is_any_number and node not in following:
                    following.append(node)
                    if node.any_number is not None:
                        _enter(node, following)
                if (child := node.words.get(word)) is not None:
                    following.append(child)
                    if child.any_number is not None:
                        _enter(child, following)
                if (child := node.any_word) is not None:
                    following.append(child)
                    if child.any_number is not None:
                        _enter(child, following)
            nodes = following
        if len(nodes) == 1:
            return nodes[0].ends.keys()
        found: set[Destination] = set()
        for node in nodes:
            found.update(node.ends)
        return found


def _child(node: _Node[Destination], word: str) -> _Node[Destination] | None:
    if word == "*":
        return node.any_word
    return node.any_number if word == "#" else node.words.get(word)


def _enter(node: _Node[Destination], nodes: list[_Node[Destination]]) -> None:
    """Add the "#" after a node, which matches no words, too; and the "#" after that."""
    after = node.any_number
    while after is not None and after not in nodes:
        nodes.append(after)
        after = after.any_number
