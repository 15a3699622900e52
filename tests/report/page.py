"""A strict reader of pages: what is opened must be closed, in order."""

from __future__ import annotations

from html.parser import HTMLParser

BLOCKS = {"td", "th", "dt", "dd", "li", "p", "tr", "caption", "h1", "h2", "h3", "span"}
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Element:
    """A tag with its attributes, its parent and the text inside it."""

    def __init__(self, tag: str, attributes: dict[str, str], parent: Element | None) -> None:
        self.tag, self.attributes, self.parent, self.text = tag, attributes, parent, ""

    def inside(self, tag: str) -> Element | None:
        """The nearest ancestor with that tag."""
        found = self.parent
        while found is not None and found.tag != tag:
            found = found.parent
        return found


class Page(HTMLParser):
    """All elements of a page in order; raises AssertionError at a tag out of place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {[one.tag for one in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"attribute twice in <{tag}>"
        parent = self._open[-1] if self._open else None
        element = Element(tag, {name: value or "" for name, value in attrs}, parent)
        self.elements.append(element)
        if tag in BLOCKS:
            self.handle_data(" ")
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open[-1].tag == tag, f"</{tag}> inside <{self._open[-1].tag}>"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.text += data

    def all(self, *tags: str) -> list[Element]:
        """Every element with one of the tags."""
        return [one for one in self.elements if one.tag in tags]
