"""An event for several subscribers, by queues, by a table or by calls."""
