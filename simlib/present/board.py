"""The frame of all panels: controls above, what became of them in a line, and a picture."""

from __future__ import annotations

import html
import time
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import ipywidgets as widgets

from ..analysis.metrics import quantity
from ..values import ParameterError
from .controls import Control, Status
from .pictures import Picture

__all__ = ["Board"]

FROZEN = "A picture of the panel: run this cell to get the controls."


class Board(widgets.VBox):  # type: ignore[misc]
    """Controls, and a picture of what they stand for; whoever is one says what that is.

    What goes wrong is said in place of the picture, in words, and kept as ``error``.

    Parameters
    ----------
    name : str
        What it is for the page: the name of its styles.
    controls : mapping
        By their names.
    stops : bool
        Whether it runs something that may take so long that one wants to stop it.
    below : sequence of widgets
        What stands below the picture.
    """

    def __init__(
        self,
        name: str,
        controls: Mapping[str, Control],
        stops: bool = True,
        below: Sequence[widgets.Widget] = (),
    ) -> None:
        self.controls = dict(controls)
        """By name."""
        self.error: BaseException | None = None
        """What went wrong in the last run."""
        self.alt = ""
        """What is to be seen in the picture."""
        self._drawn = ""
        self._paused = False
        self._initial = {name: control.value for name, control in self.controls.items()}
        for each, control in self.controls.items():
            control.add_class(f"control-{each.replace('_', '-').replace(' ', '-')}")
            control.observe(partial(self._changed, each), "value")
        self.status = Status(stops=stops)
        self.status.on_msg(lambda *_: self.reset())
        self.picture = widgets.HTML()
        self.picture.add_class(f"{name}-picture")
        grid = widgets.Box(list(self.controls.values()))
        grid.add_class("panel-controls")
        super().__init__([grid, self.status, self.picture, *below])
        self.add_class(name)
        self.add_class("simlib")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(self.controls)})"

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """With the picture beside the widget, for readers that can't show widgets."""
        bundle = super()._repr_mimebundle_(**options)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        picture = self._still()
        if data is not None and picture is not None:
            data["text/html"] = f"{picture._repr_html_()}<p><em>{FROZEN}</em></p>"
        return bundle

    def set(self, **values: Any) -> None:
        """Move several controls at once, by name; it is run once."""
        for name, value in values.items():
            if name not in self.controls:
                raise ValueError(f"there is no control {name!r}: {', '.join(self.controls)}")
            self.controls[name].check(value)
            self._moved(name)
        self._put(values)
        self.run()

    def reset(self) -> None:
        """Put every control back to where it stood."""
        self._put(self._initial)
        self.run()

    def run(self) -> None:
        """Show what the controls stand for.

        A run that is interrupted, by the Stop button or from the kernel's menu, shows nothing new.
        """
        begun = time.perf_counter()
        self.status.begin()
        if self.error is not None:
            self.error = None
            self._say("")
        try:
            said = self._show()
        except Exception as error:  # Nothing that a callback raises would be seen otherwise.
            self._fail(error, _in_words(error), "stopped by an error")
        except KeyboardInterrupt as interrupt:
            self._fail(interrupt, "Stopped. Move a control to run it again.", "stopped")
            raise
        else:
            took = quantity(time.perf_counter() - begun, "s", 2)
            self.status.end(said or f"done in {took}", part=1.0)

    @abstractmethod
    def _show(self) -> str:
        """Run it and draw it; what the line shall say, if not how long that took."""

    @abstractmethod
    def _forget(self) -> None:
        """There is no result any more."""

    @abstractmethod
    def _still(self) -> Picture | None:
        """The picture for readers that can't show widgets, if there is one."""

    def _draw(self, drawn: str, alt: str) -> None:
        """Show this picture, as HTML."""
        self._drawn, self.alt = drawn, alt
        self.picture.value = f'<div class="panel-place">{drawn}</div>'

    def _fail(self, error: BaseException, words: str, status: str) -> None:
        self._forget()
        self.error = error
        self._say(words)
        self.status.end(status)

    def _say(self, words: str) -> None:
        """What to read in place of the picture, which goes on taking its place on the page."""
        drawn = self._drawn
        place = f'<div class="panel-gone" aria-hidden="true">{drawn}</div>' if drawn else ""
        error = f'<p class="panel-error" role="alert">{words}</p>' if words else ""
        self.picture.value = f'<div class="panel-place">{place}{error}</div>'

    def _put(self, values: Mapping[str, Any]) -> None:
        """Let controls show these values, without a run."""
        self._paused = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
                self.controls[name].settle()
        finally:
            self._paused = False

    def _changed(self, name: str, _: Any) -> None:
        if self._paused:
            return
        self._moved(name)
        with suppress(KeyboardInterrupt):  # It was for the run alone.
            self.run()

    def _moved(self, name: str) -> None:
        """Somebody has moved this control."""


def _in_words(error: Exception) -> str:
    """What a learner can do something about, escaped for HTML."""
    if isinstance(error, ParameterError):
        said = [str(problem) for problem in error.problems]
    else:
        said = [str(error) or type(error).__name__]
    return "<br>".join(map(html.escape, said))
