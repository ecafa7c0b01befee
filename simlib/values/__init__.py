"""Plain values: validated, frozen, the same in JSON; they say what they take and what was wrong."""

from ..extras import require

require("sim", __name__)

from .base import Value, parameter
from .errors import ParameterError
from .parameters import Parameter, parameters_of
from .tables import html_table

__all__ = ["Parameter", "ParameterError", "Value", "html_table", "parameter", "parameters_of"]
