"""The commands for people, one a file; may use all of the standard library, and no CNI verb imports them."""
