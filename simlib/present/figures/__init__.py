"""Pictures: of any runs, of tables and of a broker, and those that one scenario alone has.

Each function draws on ``ax`` or on a figure of its own, returns the Axes, and leaves a description
of what is to be seen as their label (``ax.get_label()``): the alternative text of the picture.
"""

from .spans import queue_by_queue, self_time_bars, timeline, who_calls_whom

__all__ = [
    "queue_by_queue",
    "self_time_bars",
    "timeline",
    "who_calls_whom",
]
