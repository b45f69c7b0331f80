"""Commands for people: the verbs never import anything from here."""
