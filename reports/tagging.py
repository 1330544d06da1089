"""What PDF/UA asks of a document's tags and the layout engine does not give: lists of items, tables of rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pikepdf import Array, Dictionary, Name, Object, Pdf

IN_LIST = {"/L", "/LI", "/Caption"}
IN_TABLE = {"/TR", "/THead", "/TBody", "/TFoot", "/Caption"}


def mend(pdf: Pdf) -> None:
    """A list holds items, an item its label and body, and a table rows alone; nothing that is read is lost."""
    for element in list(elements(pdf.Root.StructTreeRoot)):
        match str(element.get("/S")):
            case "/L":
                for child in _children(element):
                    if str(child.S) not in IN_LIST:
                        _as_item(child)
            case "/Table":
                held = [each for child in _children(element) for each in _rows(child)]
                _hold(element, sorted(held, key=lambda each: str(each.S) != "/Caption"))


def elements(root: Object) -> Iterator[Object]:
    """Every element below `root`, in reading order."""
    for child in _children(root):
        yield child
        yield from elements(child)


def add(pdf: Pdf, element: Object, *, owner: Object) -> None:
    """`element` as the document's last, found by way of `owner`, the annotation it speaks of."""
    tree = pdf.Root.StructTreeRoot
    numbers: Any = tree.ParentTree.Nums
    key = int(numbers[-2]) + 1
    numbers.extend([key, element])
    tree.ParentTreeNextKey = key + 1
    owner.StructParent = key
    document = tree.K[0]
    element.P = document
    document.K.append(element)


def _as_item(element: Object) -> None:
    """A pair of term and description: its two items become the label and the body of one."""
    element.S = Name.LI
    held: list[Object] = []
    for child in _children(element):
        for each in _children(child) if child.S == Name.LI else [child]:
            if len(each.K):
                each.S = Name.LBody if held else Name.Lbl
                held.append(each)
    _hold(element, held)


def _rows(child: Object) -> list[Object]:
    """A column group has nothing to read and goes; what stands between a table and its rows goes too."""
    if str(child.S) in IN_TABLE:
        return [child]
    return [row for below in _children(child) for row in _rows(below)]


def _children(element: Object) -> list[Object]:
    held: Any = element.get("/K", [])
    listed = held if isinstance(held, Array) else [held]
    return [child for child in listed if isinstance(child, Dictionary) and "/S" in child]


def _hold(element: Object, held: list[Object]) -> None:
    for child in held:
        child.P = element
    element.K = Array(held)
