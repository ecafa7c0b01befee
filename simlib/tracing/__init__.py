"""What happened to one message: spans of a run, the context that joins them, and exports.

``result.spans()`` gives a run as spans, one trace per message. A :class:`TraceContext` in the
headers of a message or request does the same for a program. Nothing here is needed but Python.

- :mod:`~simlib.tracing.context`: W3C trace context
- :mod:`~simlib.tracing.spans`: a span, and those of a run
- :mod:`~simlib.tracing.recording`: spans of what really happens, timed while it runs
- :mod:`~simlib.tracing.measures`: self time; rate, errors and duration; the service map
- :mod:`~simlib.tracing.export`: OTLP/JSON, and Chrome JSON for Perfetto
"""

from .context import TraceContext
from .export import chrome, otlp
from .lives import spans_of
from .measures import (
    Edge,
    Rise,
    ServiceFigures,
    by_service,
    rises,
    self_time_by_name,
    self_time_by_trace,
    self_times,
    service_map,
)
from .recording import OpenSpan, Recorder
from .spans import Kind, Parties, Span

__all__ = [
    "Edge",
    "Kind",
    "OpenSpan",
    "Parties",
    "Recorder",
    "Rise",
    "ServiceFigures",
    "Span",
    "TraceContext",
    "by_service",
    "chrome",
    "otlp",
    "rises",
    "self_time_by_name",
    "self_time_by_trace",
    "self_times",
    "service_map",
    "spans_of",
]
