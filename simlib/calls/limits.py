"""How large the answer to a GraphQL document could be, before it is run.

A document of some hundred bytes can ask for billions of fields, by lists within lists or by
fragments that name the next one twice. Both are counted here without being expanded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from .rest import LARGEST_PAGE, USUAL_PAGE

if TYPE_CHECKING:
    from graphql.language import DocumentNode, FieldNode, SelectionSetNode

__all__ = ["measure"]

LISTS: Final = frozenset({"orders"})
"""The fields that answer lists, with a limit."""
INTROSPECTION: Final = 1000
"""What a question about the schema counts, in fields; graphql-core bounds how deep it may go."""


def measure(document: DocumentNode, variables: Mapping[str, Any]) -> tuple[int, int]:
    """How deep the fields of a document lie, and how many an answer could have.

    Both are of the largest operation. Fragments count wherever they are used; one that is
    unknown or contains itself counts nothing, for validation refuses it.
    """
    return _Measure(document, variables).largest()


class _Measure:
    def __init__(self, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        from graphql.language import FragmentDefinitionNode, OperationDefinitionNode

        self._operations = [
            node for node in document.definitions if isinstance(node, OperationDefinitionNode)
        ]
        self._fragments = {
            node.name.value: node
            for node in document.definitions
            if isinstance(node, FragmentDefinitionNode)
        }
        self._variables = variables
        self._known: dict[str, tuple[int, int]] = {}

    def largest(self) -> tuple[int, int]:
        sizes = [self._size(operation.selection_set) for operation in self._operations]
        return max((depth for depth, _ in sizes), default=0), max((n for _, n in sizes), default=0)

    def _size(self, selections: SelectionSetNode | None) -> tuple[int, int]:
        from graphql.language import FieldNode, FragmentSpreadNode, InlineFragmentNode

        deepest = fields = 0
        for node in selections.selections if selections else ():
            if isinstance(node, FieldNode):
                depth, count = self._field(node)
            elif isinstance(node, FragmentSpreadNode):
                depth, count = self._fragment(node.name.value)
            else:
                assert isinstance(node, InlineFragmentNode)
                depth, count = self._size(node.selection_set)
            deepest, fields = max(deepest, depth), fields + count
        return deepest, fields

    def _field(self, node: FieldNode) -> tuple[int, int]:
        name = node.name.value
        if name in ("__schema", "__type"):
            return 1, INTROSPECTION
        depth, count = self._size(node.selection_set)
        return depth + 1, 1 + count * (self._limit(node) if name in LISTS else 1)

    def _fragment(self, name: str) -> tuple[int, int]:
        if name not in self._known and name in self._fragments:
            self._known[name] = (0, 0)  # what it counts within itself
            self._known[name] = self._size(self._fragments[name].selection_set)
        return self._known.get(name, (0, 0))

    def _limit(self, node: FieldNode) -> int:
        """The limit a list is asked with; what is no limit is refused later."""
        from graphql.language import IntValueNode, VariableNode

        for argument in node.arguments or ():
            if argument.name.value != "limit":
                continue
            if isinstance(argument.value, IntValueNode):
                return _bounded(argument.value.value)
            if isinstance(argument.value, VariableNode):
                value = self._variables.get(argument.value.name.value, LARGEST_PAGE)
                return _bounded(str(value))
        return USUAL_PAGE


def _bounded(text: str) -> int:
    small = len(text) <= 9 and text.isascii() and text.isdigit()
    return min(int(text), LARGEST_PAGE) if small else LARGEST_PAGE
