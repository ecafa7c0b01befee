"""From the record of a run to answers."""
