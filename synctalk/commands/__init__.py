"""The commands of the program, one file each: parse, compose, show. The work itself is on the floors below."""
