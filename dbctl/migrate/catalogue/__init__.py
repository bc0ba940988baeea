"""What the catalogue adds to the text of a statement: the tables that it reaches, and its work."""
