"""A broker, those who publish to it, and those who subscribe."""
