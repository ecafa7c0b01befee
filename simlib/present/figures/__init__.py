"""Pictures that belong to one question, a module each."""
